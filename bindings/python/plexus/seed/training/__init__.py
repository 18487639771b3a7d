"""As the first project had it: convert.py and dataloader.py."""
