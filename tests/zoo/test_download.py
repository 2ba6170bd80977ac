from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgecv.errors import DownloadError
from edgecv.zoo.download import download
from edgecv.zoo.manifest import File

CONTENT = bytes(range(256)) * 1024  # 256 KiB, four reads of the downloader


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_the_whole_checked_file_and_nothing_else_is_there(server, tmp_path) -> None:
    file = server.add("model.onnx", CONTENT)
    target = tmp_path / "models" / "model.onnx"
    download(file, file.url, target)
    assert target.read_bytes() == CONTENT
    assert left(target.parent) == ["model.onnx"]
    assert server.asked == [("/model.onnx", None)]


@pytest.mark.parametrize("ranges", [True, False], ids=["with ranges", "without ranges"])
def test_a_broken_connection_is_taken_up_where_it_broke(server, tmp_path, ranges) -> None:
    server.ranges = ranges
    file = server.add("model.onnx", CONTENT)
    server.cuts["/model.onnx"] = [100_000, 50_000] if ranges else [100_000]
    download(file, file.url, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    wanted = [None, "bytes=100000-", "bytes=150000-"]
    assert [asked for _, asked in server.asked] == wanted[: 3 if ranges else 2]


def test_a_part_left_by_an_earlier_process_is_taken_up(server, tmp_path) -> None:
    file = server.add("model.onnx", CONTENT)
    (tmp_path / "model.onnx.part").write_bytes(CONTENT[:1000])
    download(file, file.url, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    assert server.asked == [("/model.onnx", "bytes=1000-")]


def test_a_file_that_has_moved_is_taken_up_at_its_new_place(server, tmp_path) -> None:
    file = server.add("model.onnx", CONTENT)
    server.moved["/old/model.onnx"] = f"{server.url}/model.onnx"
    (tmp_path / "model.onnx.part").write_bytes(CONTENT[:1000])
    download(file, f"{server.url}/old/model.onnx", tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    assert server.asked[-1] == ("/model.onnx", "bytes=1000-")


def test_a_whole_part_is_used_without_asking_the_server(server, tmp_path) -> None:
    file = server.add("model.onnx", CONTENT)
    (tmp_path / "model.onnx.part").write_bytes(CONTENT)
    download(file, file.url, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    assert server.asked == []


@pytest.mark.parametrize(
    "part",
    [b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)],
    ids=["shorter", "as long", "longer"],
)
def test_a_part_of_another_version_costs_one_more_download(server, tmp_path, part) -> None:
    file = server.add("model.onnx", CONTENT)
    (tmp_path / "model.onnx.part").write_bytes(part)
    download(file, file.url, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    assert left(tmp_path) == ["model.onnx"]
    assert server.asked[-1] == ("/model.onnx", None)


def test_a_server_that_keeps_breaking_off_is_given_up_and_the_part_kept(server, tmp_path) -> None:
    file = server.add("model.onnx", CONTENT)
    server.cuts["/model.onnx"] = [1000] * 4
    with pytest.raises(DownloadError, match=r"broke after 4000 of 262144 bytes.*models pull"):
        download(file, file.url, tmp_path / "model.onnx")
    assert left(tmp_path) == ["model.onnx.part"]
    download(file, file.url, tmp_path / "model.onnx")
    assert server.asked[-1] == ("/model.onnx", "bytes=4000-")
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_overloaded_server_is_asked_again(server, tmp_path, code) -> None:
    file = server.add("model.onnx", CONTENT)
    server.status["/model.onnx"] = [code, code]
    download(file, file.url, tmp_path / "model.onnx")
    assert len(server.asked) == 3
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_refusal_is_reported_at_once_with_the_ways_out(server, tmp_path, code) -> None:
    file = server.add("model.onnx", CONTENT)
    server.status["/model.onnx"] = [code]
    with pytest.raises(DownloadError, match=f"cannot fetch model.onnx from .*HTTP {code}") as info:
        download(file, file.url, tmp_path / "model.onnx")
    assert "EDGECV_ZOO_MIRROR" in str(info.value)
    assert "`edgecv models pull`" in str(info.value)
    assert len(server.asked) == 1
    assert left(tmp_path) == []


def test_wrong_content_of_the_right_size_is_deleted(server, tmp_path) -> None:
    file = server.add("model.onnx", CONTENT)
    server.files["/model.onnx"] = bytes(len(CONTENT))
    with pytest.raises(DownloadError, match=r"is not model.onnx: the SHA-256 differs"):
        download(file, file.url, tmp_path / "model.onnx")
    assert left(tmp_path) == []


@pytest.mark.parametrize("content", [b"<html>sign in</html>", CONTENT + b"!"], ids=["page", "long"])
def test_content_of_another_size_is_refused_before_it_is_read(server, tmp_path, content) -> None:
    file = server.add("model.onnx", CONTENT)
    server.files["/model.onnx"] = content
    with pytest.raises(DownloadError, match=f"it has {len(content)} bytes there instead of 262144"):
        download(file, file.url, tmp_path / "model.onnx")
    assert left(tmp_path) == []
    assert len(server.asked) == 1


def test_a_failed_download_leaves_the_old_file_alone(server, tmp_path) -> None:
    file = server.add("model.onnx", CONTENT)
    server.status["/model.onnx"] = [404]
    (tmp_path / "model.onnx").write_bytes(b"old")
    with pytest.raises(DownloadError):
        download(file, file.url, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9/model.onnx", "refused"),
        ("http://no-such-host.invalid/model.onnx", "cannot fetch"),
        ("model.onnx", "unknown url type"),
    ],
    ids=["closed port", "unknown host", "no address"],
)
def test_no_network_is_one_error_with_the_ways_out(server, tmp_path, url, why) -> None:
    file = server.add("model.onnx", CONTENT)
    with pytest.raises(DownloadError, match=why) as info:
        download(file, url, tmp_path / "model.onnx")
    assert "EDGECV_ZOO_MIRROR" in str(info.value)
    assert left(tmp_path) == []


def test_a_silent_server_is_a_timeout(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/model.onnx"
        with pytest.raises(DownloadError, match="timed out"):
            download(
                File("model.onnx", url, "0" * 64, 9), url, tmp_path / "model.onnx", timeout=0.05
            )


def test_two_at_once_fetch_a_file_once(server, tmp_path) -> None:
    file = server.add("model.onnx", CONTENT)
    failures: list[BaseException] = []

    def fetch() -> None:
        try:
            download(file, file.url, tmp_path / "model.onnx")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert server.asked == [("/model.onnx", None)]
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


FETCH = """
import resource, sys
from pathlib import Path
from edgecv.errors import DownloadError
from edgecv.zoo.download import download
from edgecv.zoo.manifest import File
if "limited" in sys.argv:
    resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, 70_000))
file = File("model.onnx", sys.argv[1], sys.argv[2], int(sys.argv[3]))
try:
    download(file, file.url, Path(sys.argv[4]))
except DownloadError as error:
    print(error)
"""


def fetch_elsewhere(file: File, target: Path, *extra: str) -> str:
    arguments = [file.url, file.sha256, str(file.bytes), str(target), *extra]
    done = subprocess.run(
        [sys.executable, "-c", FETCH, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_file_that_may_not_grow_is_one_error_and_leaves_nothing(server, tmp_path) -> None:
    file = server.add("model.onnx", CONTENT)
    said = fetch_elsewhere(file, tmp_path / "model.onnx", "limited")
    assert "cannot write model.onnx into the cache" in said
    assert "EDGECV_CACHE" in said
    assert left(tmp_path) == []


@pytest.fixture
def mounted(tmp_path):
    """Mount a small disk: give a function that takes the mount options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting a file system needs root")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


def test_a_full_disk_is_one_error_and_is_given_back_its_room(server, mounted) -> None:
    disk = mounted("size=128k")
    file = server.add("model.onnx", CONTENT)
    with pytest.raises(DownloadError, match=r"No space left on device.*EDGECV_CACHE"):
        download(file, file.url, disk / "model.onnx")
    assert left(disk) == []


def test_a_disk_that_cannot_be_written_is_one_error(server, mounted) -> None:
    disk = mounted("ro")
    file = server.add("model.onnx", CONTENT)
    with pytest.raises(DownloadError, match=r"Read-only file system.*EDGECV_CACHE"):
        download(file, file.url, disk / "models" / "model.onnx")
    assert server.asked == []


def test_a_cache_below_a_file_is_one_error(server, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    file = server.add("model.onnx", CONTENT)
    with pytest.raises(DownloadError, match=r"cannot write model.onnx into the cache"):
        download(file, file.url, tmp_path / "file" / "models" / "model.onnx")
