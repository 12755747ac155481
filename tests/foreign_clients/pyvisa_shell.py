"""pyvisa-shell, as a human would type into it."""

import subprocess
import sys

typed = f"open {sys.argv[1]}\ntermchar LF LF\nquery *IDN?\nquery :CHANnel1?\nquery :SYSTem:ERRor?\nclose\nexit\n"
done = subprocess.run(["pyvisa-shell", "-b", "py"], input=typed, capture_output=True, text=True, timeout=60, check=True)
answers = [line.split("Response: ", 1)[1] for line in done.stdout.splitlines() if "Response: " in line]
assert len(answers) == 3, done.stdout
assert answers[0].startswith("AGILENT TECHNOLOGIES,MSO-X 2024A,"), answers
assert answers[1].startswith(":CHAN1:RANG "), answers
assert answers[2] == '+0,"No error"', answers
sys.stdout.write(f"{len(answers)} answers, the first {answers[0]}\n")
