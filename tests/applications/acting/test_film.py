"""Films that were made for it, read, written in segments and joined."""

import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from pipeline.applications.acting import film as films
from pipeline.applications.acting import montage
from pipeline.errors import UserError
from tests.applications.acting import filming
from tests.conftest import ROOT


def copied(file, tmp_path, parts=(3, 100)):
    """The film through segments of so many pictures, unchanged."""
    with films.opened(file) as film:
        pictures = list(film.read())
        segments, begin = [], 0
        for number, count in enumerate(parts):
            part = tmp_path / f"{number}.mp4"
            times = montage.write_segment(part, pictures[begin : begin + count], film)
            begin += count
            segments += [(part, times)] if times else []
        montage.join(tmp_path / "out.mp4", film, segments, "synthetic")
    return tmp_path / "out.mp4"


def test_pictures_times_and_sound_stay(tmp_path):
    given = filming.write(tmp_path / "in.mp4", [filming.plain(i) for i in range(10)])
    out = copied(given, tmp_path)
    assert [time for time, _ in filming.pictures(out)] == [i / 25 for i in range(10)]
    for (_, a), (_, b) in zip(filming.pictures(given), filming.pictures(out), strict=True):
        assert np.abs(a.astype(int) - b).mean() < 1.5
    assert filming.sound(out) == filming.sound(given)
    assert filming.comment(out) == "synthetic"
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", "out.mp4", "0.mp4", "1.mp4"}


def test_a_variable_frame_rate_stays(tmp_path):
    times = [0, 512, 1024, 2048, 2100, 5000, 9000, 12800]
    given = filming.write(tmp_path / "in.mp4", [filming.plain(i) for i in range(8)], times)
    assert [time for time, _ in filming.pictures(copied(given, tmp_path))] == [time / 12800 for time in times]


@pytest.mark.parametrize("suffix", ["mkv", "ts", "mov", "avi"])
def test_other_containers_give_the_same_film(tmp_path, suffix):
    codec = {"avi": "mpeg4"}.get(suffix, "libx264")
    given = filming.write(
        tmp_path / f"in.{suffix}", [filming.plain(i) for i in range(10)], unit=Fraction(1, 25), codec=codec,
        sound="mp3" if suffix == "avi" else "aac",
    )  # fmt: skip
    out = copied(given, tmp_path)
    (first, _), *_ = before = filming.pictures(given)
    after = filming.pictures(out)
    assert len(after) == 10
    assert np.allclose(np.diff([t for t, _ in after]), np.diff([t for t, _ in before]), atol=1e-3)
    for (_, a), (_, b) in zip(before, after, strict=True):
        assert np.abs(a.astype(int) - b).mean() < 1.5
    lag = filming.sound(given)[0][0] - first
    assert abs((filming.sound(out)[0][0] - after[0][0]) - lag) < 2e-3  # sound and pictures as far apart as they were
    header = 7 if suffix == "ts" else 0  # which a transport stream repeats in every packet
    assert [packet for _, packet in filming.sound(out)] == [packet[header:] for _, packet in filming.sound(given)]


def test_a_film_without_sound(tmp_path):
    out = copied(filming.write(tmp_path / "in.mp4", [filming.plain(i) for i in range(5)], sound=None), tmp_path)
    with av.open(str(out)) as container:
        assert len(container.streams) == 1


def test_sound_that_goes_on_after_the_pictures_stays_whole(tmp_path):
    given = filming.write(tmp_path / "in.mp4", [filming.plain(i) for i in range(5)], seconds=3)
    assert filming.sound(copied(given, tmp_path)) == filming.sound(given)


def test_odd_sides_become_even_and_nothing_is_lost(tmp_path):
    given = filming.write(tmp_path / "in.mp4", [filming.plain(i, (65, 47)) for i in range(4)])
    (_, before), *_ = filming.pictures(given)
    (_, after), *_ = filming.pictures(copied(given, tmp_path))
    assert (before.shape, after.shape) == ((47, 65, 3), (48, 66, 3))
    assert np.abs(after[:47, :65].astype(int) - before).mean() < 2


def test_pixels_that_are_not_square_stay_so(tmp_path):
    given = filming.write(tmp_path / "in.mp4", [filming.plain(i) for i in range(3)])
    with av.open(str(copied(given, tmp_path))) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize("turned", [90, 180, -90])
def test_a_telephones_film_is_turned_upright_once(tmp_path, turned):
    given = filming.write(tmp_path / "in.mp4", [filming.plain(i) for i in range(3)], turned=turned)
    (_, raw), *_ = filming.pictures(given)
    (_, out), *_ = filming.pictures(copied(given, tmp_path))
    assert np.abs(np.rot90(raw, turned // 90).astype(int) - out).mean() < 3
    with av.open(str(tmp_path / "out.mp4")) as container:
        frame = next(container.decode(video=0))
        assert frame.rotation == 0
        assert container.streams.video[0].sample_aspect_ratio == (Fraction(4, 3) if turned == 180 else Fraction(3, 4))


@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_colours_stay_whichever_way_they_are_coded(tmp_path, matrix):
    def planes(file):
        with av.open(str(file)) as container:
            frame = next(container.decode(video=0))
            return int(frame.colorspace), [np.frombuffer(plane, np.uint8)[:24].mean() for plane in frame.planes]

    with av.open(str(tmp_path / "in.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 1
        for _ in range(3):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane, level in zip(frame.planes, (110, 90, 190), strict=True):
                plane.update(np.full(plane.buffer_size, level, np.uint8).tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    said, levels = planes(copied(tmp_path / "in.mp4", tmp_path))
    assert said == matrix
    assert np.abs(np.array(levels) - (110, 90, 190)).max() <= 1


def test_what_was_read_before_is_skipped(tmp_path):
    given = filming.write(tmp_path / "in.mp4", [filming.plain(i) for i in range(9)])
    with films.opened(given) as film:
        assert [picture.time for picture in film.read(skip=6)] == [512 * i for i in (6, 7, 8)]


def test_a_film_that_is_cut_short_gives_what_is_there(tmp_path, caplog):
    given = filming.write(tmp_path / "in.mkv", [filming.plain(i) for i in range(60)], unit=Fraction(1, 25))
    whole = given.read_bytes()
    given.write_bytes(whole[: len(whole) * 2 // 3])
    count = len(filming.pictures(copied(given, tmp_path)))
    assert 10 < count < 60
    fast = filming.write(
        tmp_path / "fast.mp4", [filming.plain(i) for i in range(60)], options={"movflags": "faststart"}
    )
    fast.write_bytes(fast.read_bytes()[: fast.stat().st_size * 2 // 3])
    with films.opened(fast) as film:
        assert 5 < len(list(film.read())) < 60
    assert "of 60 pictures" in caplog.text


def test_a_film_that_is_damaged_in_its_middle_is_read_to_its_end(tmp_path):
    given = filming.write(tmp_path / "in.ts", [filming.plain(i) for i in range(60)], unit=Fraction(1, 25))
    content = bytearray(given.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    given.write_bytes(content)
    with films.opened(given) as film:
        times = [picture.time for picture in film.read()]
    assert len(times) > 20
    assert times == sorted(set(times))


def refused(file, *words):
    with pytest.raises(UserError) as error, films.opened(file):
        pass
    for word in (str(file), *words):
        assert word in str(error.value)


def test_what_is_no_film_is_refused_in_one_sentence(tmp_path):
    refused(tmp_path / "gone.mp4", "is not there")
    (tmp_path / "words.mp4").write_text("no film")
    refused(tmp_path / "words.mp4", "is no film")
    (tmp_path / "empty.mp4").touch()
    refused(tmp_path / "empty.mp4", "is no film")
    (tmp_path / "folder.mp4").mkdir()
    refused(tmp_path / "folder.mp4", "cannot be read")
    refused(filming.write(tmp_path / "sound.mp4", [], seconds=1), "no moving pictures")
    half = filming.write(tmp_path / "half.mp4", [filming.plain(i) for i in range(20)])
    half.write_bytes(half.read_bytes()[:-600])  # the index, which comes last
    refused(half, "is damaged")


def test_a_playlist_cannot_name_other_files(tmp_path):
    filming.write(tmp_path / "in.ts", [filming.plain(i) for i in range(5)], unit=Fraction(1, 25))
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nin.ts\n#EXT-X-ENDLIST\n")
    refused(tmp_path / "list.m3u8", "playlist")
    (tmp_path / "list.txt").write_text("ffconcat version 1.0\nfile in.ts\n")
    refused(tmp_path / "list.txt", "playlist")


def test_sound_that_an_mp4_cannot_hold_is_refused_before_anything_is_done(tmp_path):
    given = filming.write(tmp_path / "in.avi", [filming.plain(i) for i in range(5)], unit=Fraction(1, 25),
                          codec="mpeg4", sound="pcm_mulaw")  # fmt: skip
    refused(given, "pcm_mulaw", "ffmpeg -i in.avi")


def test_nothing_is_left_of_a_segment_that_was_not_finished(tmp_path):
    given = filming.write(tmp_path / "in.mp4", [filming.plain(i) for i in range(9)])

    def interrupted(pictures):
        yield from (next(pictures) for _ in range(4))
        raise KeyboardInterrupt

    with films.opened(given) as film, pytest.raises(KeyboardInterrupt):
        montage.write_segment(tmp_path / "0.mp4", interrupted(film.read()), film)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_without_pyav_it_says_how_to_get_it():
    program = (
        "import sys; sys.modules['av'] = None; sys.argv = 'pipeline act --subject a --video b --out c.mp4'.split();"
        "from pipeline.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install av" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
