"""Print the folder that holds `training`."""
import os

print(os.path.dirname(os.path.abspath(__file__)))
