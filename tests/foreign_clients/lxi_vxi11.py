"""`lxi scpi` and `lxi screenshot` of Debian's lxi-tools over VXI-11, which they look for by the port mapper on 111."""

import subprocess
import sys
from pathlib import Path

host = sys.argv[1].split("::")[1].split(",")[0]
name = subprocess.run(
    ["lxi", "scpi", "-a", host, "*IDN?"], capture_output=True, text=True, timeout=30, check=True
).stdout
assert name.startswith("AGILENT TECHNOLOGIES,MSO-X 2024A,"), name
subprocess.run(
    ["lxi", "screenshot", "-a", host, "-p", "keysight-ivx", "screen.png"],
    capture_output=True, text=True, timeout=60, check=True,
)  # fmt: skip
picture = Path("screen.png").read_bytes()
assert picture.startswith(b"BM"), picture[:10]  # lxi asks for a bitmap, whatever the file is called
sys.stdout.write(f"{name.strip()}, a screenshot of {len(picture)} bytes\n")
