"""What the loaders share: finding a source, reading its rows, checking counts, writing, and shape twins."""

import dataclasses
import gzip
import http.client
import io
import json
import os
import subprocess
import sys
import urllib.error
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from apg_repro.catalogue import is_prepared
from apg_repro.data import prepare
from apg_repro.data.gate import enter
from apg_repro.data.shapes import AMAZON, IAAC, Shape
from apg_repro.errors import UserError
from apg_repro.paths import ROOT
from data_scripts import amazon_twin, iaac_twin

URL = "https://example.org/files/a.csv"


def anything(path):
    return True


def test_the_users_own_file_comes_first_then_an_earlier_download(tmp_path, monkeypatch):
    named, folder, data = tmp_path / "named.csv", tmp_path / "archives", tmp_path / "data"
    for path in (named, folder / "a.csv", data / "a.csv"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.setattr(prepare, "DATA", data)
    monkeypatch.delenv("APG_ARCHIVES", raising=False)
    assert prepare.find_archive(None, "a.csv", URL, anything) == data / "a.csv"
    monkeypatch.setenv("APG_ARCHIVES", str(folder))
    assert prepare.find_archive(None, "a.csv", URL, anything) == folder / "a.csv"
    assert prepare.find_archive(named, "a.csv", URL, anything) == named
    with pytest.raises(UserError, match=r"there is no file .*lost.csv: give the path of a.csv to --archive"):
        prepare.find_archive(tmp_path / "lost.csv", "a.csv", URL, anything)


def test_an_earlier_download_that_is_not_the_official_file_is_to_be_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "DATA", tmp_path)
    monkeypatch.delenv("APG_ARCHIVES", raising=False)
    (tmp_path / "a.csv").write_text("<html>Please sign in</html>")
    with pytest.raises(UserError, match=r"a.csv is not the official file: delete it, then run this script again"):
        prepare.find_archive(None, "a.csv", URL, lambda path: False)


class Socket:
    """What http.client reads an answer from."""

    def __init__(self, content):
        self.content = content

    def makefile(self, mode):
        return io.BytesIO(self.content)


def answer(monkeypatch, content):
    """Lets every address answer with these bytes, headers included, or raise this error."""

    def open_https(url):
        if isinstance(content, BaseException):
            raise content
        response = http.client.HTTPResponse(Socket(content))  # pyright: ignore[reportArgumentType]
        response.begin()
        return response

    monkeypatch.setattr(prepare, "open_https", open_https)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "content",
    [
        OK + b"Content-Length: 7\r\n\r\ncontent",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\ncon\r\n4\r\ntent\r\n0\r\n\r\n",
        OK + b"Connection: close\r\n\r\ncontent",
    ],
    ids=["of known length", "in chunks", "until the connection closes"],
)
def test_a_download_is_kept_whole(tmp_path, monkeypatch, content):
    answer(monkeypatch, content)
    prepare.download(URL, tmp_path / "new" / "a.csv", lambda path: path.read_bytes() == b"content")
    assert (tmp_path / "new" / "a.csv").read_bytes() == b"content"
    assert len(list((tmp_path / "new").iterdir())) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (OSError("network is unreachable"), rf"{URL} could not be downloaded \(network is unreachable\)"),
        (TimeoutError("timed out"), "could not be downloaded"),
        (urllib.error.URLError("no host"), r"could not be downloaded \(no host\)"),
        (b"", "could not be downloaded"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "could not be downloaded"),
        (b"HTTP/1.1 200 " + b"O" * 70_000, "could not be downloaded"),
        (OK + b"Content-Length: 9\r\n\r\ncontent", f"the download of {URL} broke off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\ncon\r\n4\r\nte", f"the download of {URL} broke off"),
        (OK + b"Content-Length: 7\r\n\r\n<html/>", f"{URL} gave another file than the official one"),
    ],
)
@pytest.mark.fault("a download breaks off, or brings a login page", "nothing stays; one sentence with the remedy")
def test_a_broken_download_leaves_nothing_behind_and_names_the_remedy(tmp_path, monkeypatch, content, message):
    answer(monkeypatch, content)
    with pytest.raises(prepare.NotFoundError, match=f"{message}.*fetch it on another machine.* --archive a.csv"):
        prepare.download(URL, tmp_path / "a.csv", lambda path: path.read_bytes() == b"content")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_download_leaves_nothing_behind(tmp_path, monkeypatch):
    answer(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        prepare.download(URL, tmp_path / "a.csv", anything)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("an address leads to http, ftp or a local file", "it is not followed")
def test_only_https_is_fetched_and_only_https_is_followed(tmp_path):
    with pytest.raises(prepare.NotFoundError, match="the address is not https"):
        prepare.download("http://example.org/a.csv", tmp_path / "a.csv", anything)
    follow = prepare.StayOnHttps().redirect_request
    request = prepare.urllib.request.Request(URL)
    for address in ("http://example.org/a.csv", "file:///etc/passwd", "ftp://example.org/a.csv"):
        with pytest.raises(urllib.error.URLError, match=f"it leads to {address}, which is not https"):
            follow(request, None, 302, "Found", http.client.HTTPMessage(), address)
    followed = follow(request, None, 302, "Found", http.client.HTTPMessage(), "https://example.com/a.csv")
    assert followed is not None
    assert followed.full_url == "https://example.com/a.csv"


def test_a_git_blob_has_the_name_that_git_gives_it(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "hello").write_bytes(b"hello\n")
    assert prepare.git_blob_of(tmp_path / "empty") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert prepare.git_blob_of(tmp_path / "hello") == "ce013625030ba8dba906f756967f9e9ca394464a"


@pytest.mark.parametrize(
    ("error", "arguments", "status", "text"),
    [
        (None, [], 0, ""),
        (UserError("no"), [], 1, "x: no\n"),
        (UserError("no"), ["--if-possible"], 1, "x: no\n"),
        (OSError("disk"), [], 1, "x: disk\n"),
        (prepare.NotFoundError("none"), [], 1, "x: none\n"),
        (prepare.NotFoundError("none"), ["--if-possible"], 0, "x: none\n"),
        (KeyboardInterrupt(), [], 130, "x: stopped\n"),
    ],
)
def test_a_script_ends_in_one_line_and_a_status(capsys, error, arguments, status, text):
    def work(archive):
        if error:
            raise error

    assert prepare.main("x", "X", work, file="x.csv", arguments=arguments) == status
    assert capsys.readouterr().err == text


def test_a_script_hands_the_archive_on_only_where_there_is_a_source(capsys):
    found = []
    assert (
        prepare.main("x", "X", lambda archive: found.append(archive), file="x.csv", arguments=["--archive", "a"]) == 0
    )
    assert prepare.main("x", "X", lambda: found.append("made"), arguments=[]) == 0
    assert found == [Path("a"), "made"]
    with pytest.raises(SystemExit):
        prepare.main("x", "X", lambda: None, arguments=["--archive", "a"])
    assert "unrecognized arguments" in capsys.readouterr().err


COLUMNS = ("user", "item", "price", "label")


def parse(row):
    return [row["user"], row["item"]], [float(row["price"])], row["label"] == "1"


def read(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return prepare.read_table(path, COLUMNS, parse, fields=("user", "item"), numbers=("price",))


@pytest.mark.parametrize(
    "text",
    [
        "user,item,price,label\na,x,1.5,1\nb,x,2,0\n",
        "user,item,price,label\na,x,1.5,1\nb,x,2,0",
        "user,item,price,label\r\na,x,1.5,1\r\nb,x,2,0\r\n",
        "\ufeffuser,item,price,label\n\na,x,1.5,1\n\n\nb,x,2,0\n\n",
        "user,item,price,label\na,x,1.5,1\nuser,item,price,label\nb,x,2,0\n",
        'user,item,price,label\n"a",x,"1.5",1\n"b","x",2,0\n',
    ],
    ids=["as it is", "no last newline", "CRLF", "mark and blank lines", "repeated header", "quotes"],
)
@pytest.mark.fault("a source with CRLF, a byte-order mark, blank lines, a header that is repeated", "the same rows")
def test_the_same_rows_are_read_from_every_way_of_writing_them(tmp_path, text):
    table = read(tmp_path, text)
    assert table.to_dict("list") == {"user": [0, 1], "item": [0, 0], "price": [1.5, 2.0], "label": [1, 0]}
    assert [str(kind) for kind in table.dtypes] == ["int32", "int32", "float32", "int8"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"table.csv, line 1 does not name the 4 columns"),
        ("user,item,label\na,x,1\n", r"table.csv, line 1 does not name the 4 columns"),
        ("item,user,price,label\na,x,1,1\n", r"table.csv, line 1 does not name the 4 columns"),
        ("user,item,price,label,more\na,x,1,1,9\n", r"table.csv, line 1 does not name the 4 columns"),
        ("user,item,price,label\n", r"table.csv, line 1 is a header, and no row follows it"),
        ("user,item,price,label\nuser,item,price,label\n\n", r"line 1 is a header, and no row follows it"),
        ("user,item,price,label\na,x,1,1\nb\0,x,1,1\n", r"table.csv, line 3 has a NUL byte: is the file damaged"),
        ("user,item,price,label\na,x,1,1\n".encode("utf-16"), r"table.csv, line 1 is text in UTF-16: save it as UTF-8"),
        ("user,item,price,label\na,x,1,1\nb,x", r"table.csv, line 3: 2 columns where 4 are expected"),
        ("user,item,price,label\na,x,1,1,9\n", r"table.csv, line 2: 5 columns where 4 are expected"),
        ('user,item,price,label\n"a\na",x,1,1\n\nb,x,cheap,1\n', r"table.csv, line 5: could not convert .* 'cheap'"),
        ('user,item,price,label\na,x,1,1\nb,"x,1', r"table.csv, line 3: unexpected end of data"),
    ],
)
@pytest.mark.fault(
    "a source that is empty, torn, in UTF-16, with NUL bytes, with missing, further or shuffled columns",
    "one sentence with file and line",
)
def test_the_line_that_is_torn_or_malformed_is_named(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, text)


@pytest.mark.fault("a source in Latin-1 where UTF-8 is expected", "its ids stay different from each other")
def test_bytes_that_are_no_text_stay_different_from_each_other(tmp_path):
    header = b"user,item,price,label\n"
    assert read(tmp_path, header + b"\xff,x,1,1\n\xfe,x,1,1\n\xff,x,1,1\n")["user"].tolist() == [0, 1, 0]


@pytest.mark.fault("a source that is compressed", "one sentence that says so")
def test_a_compressed_file_is_to_be_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "table.zip", "w") as file:
        file.writestr("table.csv", "user,item,price,label\n")
    with pytest.raises(UserError, match=r"table.csv is a zip archive: unpack it and give the file in it to --archive"):
        read(tmp_path, (tmp_path / "table.zip").read_bytes())
    with pytest.raises(UserError, match=r"table.csv is compressed with gzip: unpack it and give the file in it"):
        read(tmp_path, gzip.compress(b"user,item,price,label\n"))


@pytest.mark.parametrize("wrong", ["rows", "users", "items"])
def test_every_count_is_compared_with_table_7(wrong):
    table = pd.DataFrame({"user": [0, 0, 1], "item": [0, 1, 2]})
    right = {"rows": 3, "users": 2, "items": 3}
    prepare.check_counts("X", table, **right)
    message = rf"X {wrong}: {right[wrong]} found, 1,000 expected \(Table 7\)"
    with pytest.raises(UserError, match=message):
        prepare.check_counts("X", table, **(right | {wrong: 1_000}))


def rows_of(n):
    return pd.DataFrame({"user": np.arange(n, dtype=np.int32) % 7, "label": np.arange(n, dtype=np.int8) % 2})


def write(root, table, name="tiny"):
    prepare.write_dataset(
        name, table, fields=["user"], features={"default": {"inputs": ["user"], "numbers": [], "bags": {}}},
        source={"file": None, "sha256": "", "official": True}, counts={"users": 7, "items": 0}, root=root,
    )  # fmt: skip


def loaded_rows(root):
    """How many rows a data set has; None if it is not prepared."""
    return len(enter("tiny", root=root).labels) if is_prepared("tiny", root) else None


@pytest.mark.parametrize("moment", range(4))
@pytest.mark.fault("a preparation is interrupted at each of its steps", "the old data set or none is there")
def test_whenever_it_is_interrupted_the_old_data_set_or_none_is_there(tmp_path, monkeypatch, moment):
    """It stops before the new manifest is written, before the old one goes, and before each replacement."""
    write(tmp_path, rows_of(30))
    steps = [(Path, "write_text"), (Path, "unlink"), (Path, "replace"), (Path, "replace")]
    calls = []

    def stops(owner, name):
        step = getattr(owner, name)

        def stopped(self, *arguments, **options):
            calls.append(name)
            if calls == [name for _, name in steps[: moment + 1]]:
                raise KeyboardInterrupt
            return step(self, *arguments, **options)

        return stopped

    with monkeypatch.context() as patched:
        for owner, name in dict.fromkeys(steps):
            patched.setattr(owner, name, stops(owner, name))
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, rows_of(40))
    assert loaded_rows(tmp_path) == (30 if moment < 2 else None)
    assert not list((tmp_path / "tiny").glob("*.part"))
    write(tmp_path, rows_of(50))
    assert loaded_rows(tmp_path) == 50


@pytest.mark.fault("a preparation makes rows that the gate refuses", "the old data set stays")
def test_rows_that_the_gate_refuses_never_replace_others(tmp_path):
    write(tmp_path, rows_of(30))
    with pytest.raises(UserError, match="column 'label' has the value 2 in row 0, neither 0 nor 1"):
        write(tmp_path, rows_of(40).assign(label=2))
    assert loaded_rows(tmp_path) == 30


@pytest.mark.skipif(sys.platform == "win32", reason="sizes of files cannot be limited")
@pytest.mark.fault("the disk is full while a data set is written", "one sentence; the old data set stays")
def test_a_full_disk_ends_in_one_line_and_leaves_the_old_data_set(tmp_path):
    """The disk is full after 1,000 bytes: the limit of the process on the size of its files."""
    write(tmp_path, rows_of(30))
    script = """if True:
        import pathlib, resource, signal, sys
        import numpy, pandas
        from apg_repro.data import prepare
        table = pandas.DataFrame({"user": numpy.arange(40_000) % 7, "label": numpy.arange(40_000) % 2})
        features = {"default": {"inputs": ["user"], "numbers": [], "bags": {}}}
        def work():
            prepare.write_dataset(
                "tiny", table, fields=["user"], features=features, counts={"users": 7, "items": 0},
                source={"file": None, "sha256": "", "official": True}, root=pathlib.Path(sys.argv[1]),
            )
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        sys.exit(prepare.main("tiny", "", work, arguments=[]))
    """
    done = subprocess.run([sys.executable, "-c", script, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"tiny: {tmp_path / 'tiny'} cannot be written (")
    assert "then run `python data_scripts/tiny.py` again" in done.stderr
    assert loaded_rows(tmp_path) == 30


def test_a_folder_that_cannot_be_written_raises_a_user_error(tmp_path):
    (tmp_path / "tiny").touch()
    with pytest.raises(UserError, match=r"tiny cannot be written \(File exists\): free some space or choose a folder"):
        write(tmp_path, rows_of(30))
    (tmp_path / "readonly").mkdir(mode=0o500)
    if not os.access(tmp_path / "readonly", os.W_OK):  # root may write everywhere
        with pytest.raises(UserError, match=r"tiny cannot be written \(Permission denied\)"):
            write(tmp_path / "readonly", rows_of(30))


def test_other_rows_than_those_of_the_committed_results_are_announced(tmp_path, capsys, monkeypatch):
    write(tmp_path, rows_of(30))
    known = enter("tiny", root=tmp_path).checksum
    monkeypatch.setattr(prepare.checksums, "recorded", lambda name, features: known)
    capsys.readouterr()
    write(tmp_path, rows_of(30))
    assert "these are not the rows" not in capsys.readouterr().out
    write(tmp_path, rows_of(31))
    assert "tiny: these are not the rows that the committed results were computed on" in capsys.readouterr().out


def test_a_twin_has_every_id_a_skew_and_nothing_to_learn(tmp_path):
    shape = Shape(
        rows=20_000, users=15_000, items=100, fields={"user": "u", "item": "i", "hour": "t"}, numbers=("price",),
        idle=("hour",),
    )  # fmt: skip
    prepare.write_twin("small", shape, assumed={"hour": 24}, root=tmp_path)
    twin = enter("small_twin", root=tmp_path)
    manifest = json.loads((tmp_path / "small_twin" / "manifest.json").read_text())
    assert manifest["twin"] is True
    assert manifest["assumed"] == ["hour"]
    assert (manifest["rows"], manifest["users"], manifest["items"]) == (20_000, 15_000, 100)
    assert [len(np.unique(twin.fields[:, column])) for column in range(3)] == [15_000, 100, 24]
    assert twin.schema.inputs == ("user", "item")
    share = np.bincount(twin.fields[:, 1]) / 20_000
    wanted = np.arange(1, 101) ** -prepare.ZIPF
    assert np.abs(share - wanted / wanted.sum()).max() < 0.01
    assert abs(twin.labels.mean().item() - 0.5) < 0.02
    for item in range(3):
        assert abs(twin.labels[twin.fields[:, 1] == item].mean().item() - 0.5) < 0.06
    assert abs(twin.numbers.mean().item()) < 0.03
    assert abs(twin.numbers.var().item() - 1) < 0.03


@pytest.mark.parametrize(("script", "shape"), [(amazon_twin, AMAZON), (iaac_twin, IAAC)], ids=["amazon", "iaac"])
def test_a_twin_has_a_size_for_every_field_of_its_data_set(script, shape, monkeypatch):
    written = {}
    monkeypatch.setattr(prepare, "write_dataset", lambda name, table, **options: written.update(options))
    monkeypatch.setattr(prepare.pd, "DataFrame", lambda columns: None)
    small = dataclasses.replace(shape, rows=10_000, users=9_000, items=500)
    monkeypatch.setattr(script, "AMAZON" if shape is AMAZON else "IAAC", small)
    script.prepare()
    assert written["fields"] == list(shape.fields)
    assert written["features"] == shape.features
    assert written["extra"]["assumed"] == list(script.ASSUMED)
    assert set(script.ASSUMED) == set(shape.fields) - {"user", "item"} - set(getattr(script, "PRINTED", ()))
