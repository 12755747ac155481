"""`lxi scpi -r` of Debian's lxi-tools: a raw TCP socket."""

import subprocess
import sys

_, host, port, _ = sys.argv[1].split("::")
done = subprocess.run(
    ["lxi", "scpi", "-r", "-a", host, "-p", port, "*IDN?"], capture_output=True, text=True, timeout=30, check=True
)
assert done.stdout.startswith("AGILENT TECHNOLOGIES,MSO-X 2024A,"), done.stdout
sys.stdout.write(done.stdout)
