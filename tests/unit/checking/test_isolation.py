# ruff: noqa: E501
"""Harmful files, as a class may submit them: each gets a result, without side effects."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from handgrad.checking.isolation import check_isolated

BACKPROPAGATION = "def backpropagation(model, y_true, y_pred):\n"
HARMFUL = {
    "loops for ever": ("    while True: pass\n", "OutOfTime: not done after 2 s"),
    "loops and catches everything": (
        "    while True:\n        try:\n            while True: pass\n        except: pass\n",
        "OutOfTime: not done after 2 s",
    ),
    "exits": ("    import sys; sys.exit(0)\n", "SystemExit: 0"),
    "ends the process": ("    import os; os._exit(0)\n", "its process ended with status 0 and without a result"),
    "prints a gigabyte": ("    for _ in range(1024): print('x' * 2**20)\n", "more than 16,000,000 characters printed"),
    "writes a gigabyte": (
        "    import os\n    for _ in range(1024): os.write(2, b'x' * 2**20)\n",
        "File too large",
    ),
    "takes all the memory": ("    x = [bytearray(2**28) for _ in range(64)]\n", "MemoryError"),
    "opens files": ("    x = [open('/dev/null') for _ in range(5000)]\n", "Too many open files"),
    "forks": ("    import os\n    for _ in range(3): os.fork()\n", "os.fork is not allowed in a check"),
    "starts a program": ("    import subprocess\n    subprocess.run(['sleep', '99'])\n", "subprocess.Popen is not allowed"),
    "asks": ("    input('how many?')\n", "EOFError"),
    "connects": ("    import socket; socket.create_connection(('127.0.0.1', 9))\n", "is not allowed in a check"),
    "crashes": ("    import ctypes; ctypes.string_at(0)\n", "without a result, in backpropagation"),
}  # fmt: skip


def check(tmp_path, body, seconds=12):
    file = tmp_path / "ada.py"
    file.write_text(BACKPROPAGATION + body)
    return check_isolated(file, seconds)


def texts(result):
    return " ".join([result["problem"], *(finding["summary"] for finding in result["findings"])])


SOME = ("loops and catches everything", "ends the process", "prints a gigabyte", "forks")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name if name in SOME else pytest.param(name, marks=pytest.mark.long) for name in HARMFUL]
)
def test_a_harmful_file_gets_a_result_that_tells_what_it_did(tmp_path, name):
    body, message = HARMFUL[name]
    # Filling the memory takes time.
    result = check(tmp_path, body, 60 if "memory" in name else 12)
    assert not result["passed"]
    assert message in texts(result)
    assert not [
        p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])
    ]


@pytest.mark.slow
def test_files_outside_the_scratch_folder_are_safe(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work/thesis.txt").write_text("precious")
    attempts = [
        f"shutil.rmtree({str(tmp_path / 'work')!r})",
        f"os.remove({str(tmp_path / 'work/thesis.txt')!r})",
        f"open({str(tmp_path / 'work/thesis.txt')!r}, 'w')",
        f"os.rename({str(tmp_path / 'work/thesis.txt')!r}, 'mine')",
    ]
    tries = "".join(f"    try: {attempt}\n    except PermissionError: refused += 1\n" for attempt in attempts)
    body = f"    import os, shutil; refused = 0\n{tries}    raise ValueError(f'{{refused}} refused')\n"
    assert "ValueError: 4 refused" in texts(check(tmp_path, body))
    assert (tmp_path / "work/thesis.txt").read_text() == "precious"


@pytest.mark.slow
def test_the_command_prints_the_diagnosis_and_its_status_tells_the_result(tmp_path):
    right = (
        "    d = 2 * (y_pred - y_true) * model.df[model.L](model.z[model.L])\n"
        "    for l in range(model.L, 0, -1):\n"
        "        model.dL_dw[l], model.dL_db[l] = d.T @ model.a[l - 1], d.sum(0)\n"
        "        if l > 1: d = d @ model.fc[str(l)].weight * model.df[l - 1](model.z[l - 1])\n"
    )
    wrong = right.replace("d.sum(0)", "d.mean(0)")
    outputs = []
    for name, body in (("right", right), ("wrong", wrong)):
        (tmp_path / f"{name}.py").write_text("import torch\n" + BACKPROPAGATION + body)
        command = "import sys; from handgrad.cli import main; main(['check', sys.argv[1]])"
        outputs.append(
            subprocess.run(
                [sys.executable, "-c", command, tmp_path / f"{name}.py"], capture_output=True, text=True
            )
        )
    assert [output.returncode for output in outputs] == [0, 1]
    assert "backpropagation: correct" in outputs[0].stdout
    assert "bias gradient averaged over the batch" in outputs[1].stdout
    assert "expected:     dL_db[l] = dL_dz[l].sum(dim=0) (BP3)" in outputs[1].stdout


def processes_of(name):
    return [p for p in psutil.process_iter(["cmdline"]) if name in " ".join(p.info["cmdline"] or [])]


@pytest.mark.slow
def test_a_terminated_check_leaves_no_process_and_no_folder_behind(tmp_path):
    file = tmp_path / "sleeps_for_ever.py"
    file.write_text(BACKPROPAGATION + "    import time\n    time.sleep(10_000)\n")
    options = [f"--submission={file}", f"--output-check={tmp_path / 'check.json'}"]
    stage = subprocess.Popen(
        [sys.executable, "-m", "handgrad.stages.check", *options, f"--output-figures={tmp_path / 'figures'}"],
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    end = time.monotonic() + 60
    while not any("handgrad.checking.worker" in p.info["cmdline"] for p in processes_of(str(file))):
        assert time.monotonic() < end
        time.sleep(0.05)
    stage.send_signal(signal.SIGTERM)
    assert stage.wait(timeout=60) == 128 + signal.SIGTERM
    assert processes_of(str(file)) == []
    assert not list(tmp_path.glob("handgrad-check-*"))
    assert not (tmp_path / "check.json").exists()
