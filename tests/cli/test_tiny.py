"""The embedded model writes what a float64 forward pass of its weights writes: the greedy tokens of
tools/tiny/reference.json, up to the first step whose two best logits are closer than 0.05."""
import json
import subprocess
import sys


def first_close(margins):
    return next((i for i, m in enumerate(margins) if m < 0.05), len(margins))


def main():
    program, source = sys.argv[1], sys.argv[2]
    with open(f"{source}/tools/tiny/reference.json", encoding="utf-8") as f:
        cases = json.load(f)["cases"]
    print(f"TAP version 13\n1..{len(cases)}")
    failed = steps = 0
    for n, case in enumerate(cases, 1):
        run = subprocess.run([program, "run", "tiny", case["prompt"], "--temp", "0", "--json", "-n",
                              str(len(case["greedy_ids"]))], stdout=subprocess.PIPE, text=True)
        found = json.loads(run.stdout)
        sure = first_close(case["margins"])
        good = (found["prompt_tokens"] == case["prompt_ids"]
                and found["tokens"][:sure] == case["greedy_ids"][:sure])
        steps += sure
        failed += not good
        print(f"{'ok' if good else 'not ok'} {n} - {case['prompt']!r}, {sure} steps")
    print(f"# {steps} steps compared")
    return 1 if failed or steps == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
