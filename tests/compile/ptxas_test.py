# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""check_ptxas.py takes kernels without stack and spills, and refuses others and empty builds."""
import pathlib
import subprocess
import sys
import tempfile

CHECK = pathlib.Path(__file__).resolve().parents[2] / "scripts/lint/check_ptxas.py"
LOG = """ptxas info    : Compiling entry function '_ZN3opx6device3gpu4cuda3runINS_4spmm3RowEEEvT_' for 'sm_90'
ptxas info    : Function properties for _ZN3opx6device3gpu4cuda3runINS_4spmm3RowEEEvT_
    {stack} bytes stack frame, {spill} bytes spill stores, {spill} bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 4096 bytes smem
"""


def run(log):
    with tempfile.TemporaryDirectory() as folder:
        if log:
            (pathlib.Path(folder) / "a.o.ptxas").write_text(log)
        return subprocess.run([sys.executable, CHECK, folder], capture_output=True, text=True, check=False)


good = run(LOG.format(stack=0, spill=0))
assert good.returncode == 0 and "spmm::Row" in good.stdout and "4096" in good.stdout, good
for stack, spill in ((8, 0), (0, 4)):
    bad = run(LOG.format(stack=stack, spill=spill))
    assert bad.returncode == 1 and "1 with a stack frame or spills" in bad.stdout, bad
assert run("").returncode == 1
