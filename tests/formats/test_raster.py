"""Pictures come back as they went in: grey to the bit, colour to the bit where nothing changed.

- ``(width, height, 1)``, 1 mm; several TIFF pages are slices; camera orientation is applied.
- 8 bits stay 8, 16 stay 16, float TIFF stays float; values saturate, they never wrap.
- Colour goes through luma (BT.601, full range, as Pillow has it) and gets its colour back.
- Too many pixels, missing ends, wrong checksums, animations and what we do not read are refused.
"""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from medacuity.errors import LimitExceeded, MalformedInput, MedacuityError, UsageError
from medacuity.formats import check_output, read, write

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (9, 13)).astype(np.uint8)
GREY16 = RNG.integers(0, 65536, (9, 13)).astype(np.uint16)
RGB = RNG.integers(0, 256, (9, 13, 3)).astype(np.uint8)
RGBA = RNG.integers(0, 256, (9, 13, 4)).astype(np.uint8)
PICTURES = {"grey": GREY, "grey16": GREY16, "grey+alpha": RGBA[..., :2], "rgb": RGB, "rgba": RGBA}


def png(array, **options) -> bytes:
    file = BytesIO()
    Image.fromarray(array).save(file, "PNG", **options)
    return file.getvalue()


def load(path) -> np.ndarray:
    return np.asarray(Image.open(path))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("name", PICTURES)
def test_identity_is_bit_equal(tmp_path, name, suffix):
    array = PICTURES[name]
    Image.fromarray(array).save(tmp_path / f"a{suffix}")
    source = read(tmp_path / f"a{suffix}")
    assert source.volumes[0].shape == (13, 9, 1)
    np.testing.assert_array_equal(source.volumes[0].affine, np.eye(4))
    if array.ndim == 2:
        assert source.volumes[0].array.dtype == array.dtype
    for out in ("out.png", "out.tif"):
        check_output(tmp_path / out, source)
        write(tmp_path / out, source.volumes, like=source)
        np.testing.assert_array_equal(load(tmp_path / out), array)


def test_luma_is_that_of_jpeg(tmp_path):
    (tmp_path / "a.png").write_bytes(png(RGB))
    luma = read(tmp_path / "a.png").volumes[0].array[:, :, 0].T
    theirs = np.asarray(Image.fromarray(RGB).convert("YCbCr"))[..., 0]
    assert ((luma - theirs >= -0.01) & (luma - theirs < 1.01)).all()  # Pillow cuts, not rounds


def test_colour_is_enlarged_with_the_luma(tmp_path):
    """With a bicubic luma the result is the bicubic picture, channel by channel."""
    smooth = np.asarray(Image.fromarray(RGB).resize((40, 30), Image.Resampling.BICUBIC))
    (tmp_path / "a.png").write_bytes(png(smooth))
    source = read(tmp_path / "a.png")
    page = np.ascontiguousarray(source.volumes[0].array[:, :, 0].T)
    luma = np.asarray(Image.fromarray(page).resize((80, 60), Image.Resampling.BICUBIC))
    write(tmp_path / "b.png", [source.volumes[0].resampled(luma.T[:, :, None])], like=source)
    theirs = np.asarray(Image.fromarray(smooth).resize((80, 60), Image.Resampling.BICUBIC))
    difference = np.abs(load(tmp_path / "b.png").astype(int) - theirs)
    assert difference.max() <= 4  # where a channel was cut at black or white
    assert difference.mean() < 0.3


@pytest.mark.parametrize(("array", "top"), [(GREY, 255), (GREY16, 65535), (RGB, 255)])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_values_saturate(tmp_path, array, top, suffix):
    Image.fromarray(array).save(tmp_path / f"a{suffix}")
    source = read(tmp_path / f"a{suffix}")
    for value, expected in [(-1e6, 0), (1e6, top)]:
        bright = source.volumes[0].with_array(np.full((13, 9, 1), value, np.float32))
        write(tmp_path / f"b{suffix}", [bright], like=source)
        assert (load(tmp_path / f"b{suffix}") == expected).all()


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"])
def test_pages_are_slices(tmp_path, dtype):
    pages = (RNG.random((5, 9, 13)) * 100).astype(dtype)
    for options in ({}, {"byteorder": ">"}, {"compression": "zlib"}, {"imagej": dtype in "u1u2f4"},
                    {"bigtiff": True}, {"tile": (16, 16)}, {"metadata": None}):  # fmt: skip
        tifffile.imwrite(tmp_path / "a.tif", pages, **options)
        source = read(tmp_path / "a.tif")
        np.testing.assert_array_equal(source.volumes[0].array, pages.T)
        write(tmp_path / "b.tif", source.volumes, like=source)
        back = tifffile.imread(tmp_path / "b.tif")
        np.testing.assert_array_equal(back, pages)
        assert back.dtype == pages.dtype


@pytest.mark.parametrize("packing", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "raw"])
@pytest.mark.parametrize("name", ["grey", "grey16", "rgb", "rgba"])
def test_packings_of_tiff(tmp_path, packing, name):
    Image.fromarray(PICTURES[name]).save(tmp_path / "a.tif", compression=packing)
    source = read(tmp_path / "a.tif")
    write(tmp_path / "b.png", source.volumes, like=source)
    np.testing.assert_array_equal(load(tmp_path / "b.png"), PICTURES[name])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_camera_orientation_is_applied(tmp_path, orientation):
    """As Pillow's ImageOps.exif_transpose does (which has its own ways with TIFF)."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    flat = np.repeat(np.repeat(GREY[:4, :6], 16, 0), 16, 1)  # blocks that JPEG keeps
    picture = Image.fromarray(flat)
    picture.save(tmp_path / "a.jpg", exif=exif, quality=100)
    picture.save(tmp_path / "a.png", exif=exif)
    picture.save(tmp_path / "a.tif", exif=exif)
    for name in ("a.jpg", "a.png", "a.tif"):
        oracle = tmp_path / name.replace("tif", "png")
        upright = np.asarray(ImageOps.exif_transpose(Image.open(oracle)))
        np.testing.assert_array_equal(read(tmp_path / name).volumes[0].array[:, :, 0].T, upright)
    picture.save(tmp_path / "lzw.tif", exif=exif, compression="tiff_lzw")
    if orientation > 1:
        with pytest.raises(MalformedInput, match="turn it"):
            read(tmp_path / "lzw.tif")


def test_palettes_bits_and_white_is_zero(tmp_path):
    palette = Image.fromarray(RGB).convert("P")
    for name in ("p.png", "p.tif"):
        palette.save(tmp_path / name)
        source = read(tmp_path / name)
        write(tmp_path / "out.png", source.volumes, like=source)
        np.testing.assert_array_equal(load(tmp_path / "out.png"), palette.convert("RGB"))
    bits = Image.fromarray(GREY > 99)
    for name, options in [("1.png", {}), ("1.tif", {}), ("g.tif", {"compression": "group4"})]:
        bits.save(tmp_path / name, **options)
        np.testing.assert_array_equal(read(tmp_path / name).volumes[0].array[..., 0].T,
                                      (GREY > 99) * np.uint8(255))  # fmt: skip
    tifffile.imwrite(tmp_path / "w.tif", 255 - GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read(tmp_path / "w.tif").volumes[0].array[..., 0].T, GREY)


def test_opaque_alpha_is_dropped_and_transparency_is_kept(tmp_path):
    opaque = RGBA.copy()
    opaque[..., 3] = 255
    (tmp_path / "a.png").write_bytes(png(opaque))
    assert read(tmp_path / "a.png").header.colour.alpha is None
    (tmp_path / "b.png").write_bytes(png(RGB, transparency=tuple(int(v) for v in RGB[0, 0])))
    assert read(tmp_path / "b.png").header.colour.alpha[0, 0] == 0


def test_jpeg_in_png_out(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.jpg", quality=95)
    source = read(tmp_path / "a.jpg")
    write(tmp_path / "a.png", source.volumes, like=source)
    np.testing.assert_array_equal(load(tmp_path / "a.png"), load(tmp_path / "a.jpg"))
    with pytest.raises(UsageError, match=r"\*\.png"):
        write(tmp_path / "b.jpg", source.volumes, like=source)


def test_text_of_the_source_is_not_copied(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Patient", "CANARY")
    info.add_itxt("Comment", "CANARY", zip=False)
    (tmp_path / "a.png").write_bytes(png(GREY, pnginfo=info))
    tifffile.imwrite(tmp_path / "a.tif", GREY, description="CANARY", software="CANARY")
    for name in ("a.png", "a.tif"):
        assert b"CANARY" in (tmp_path / name).read_bytes()
        source = read(tmp_path / name)
        for out in ("o.png", "o.tif"):
            write(tmp_path / out, source.volumes, like=source)
            assert b"CANARY" not in (tmp_path / out).read_bytes()


def test_what_a_png_cannot_hold_is_refused_before_the_work(tmp_path):
    tifffile.imwrite(tmp_path / "float.tif", RNG.random((9, 13)).astype("f4"))
    tifffile.imwrite(tmp_path / "pages.tif", np.zeros((4, 9, 13), "u1"), photometric="minisblack")
    tifffile.imwrite(tmp_path / "rgb16.tif", RGB.astype("u2") * 257, photometric="rgb")
    for name in ("float.tif", "pages.tif", "rgb16.tif"):
        with pytest.raises(UsageError, match=r"\*\.tif"):
            check_output(tmp_path / "out.png", read(tmp_path / name))
    with pytest.raises(UsageError, match="colour"):
        check_output(tmp_path / "out.nii.gz", read(tmp_path / "rgb16.tif"))


def test_sixteen_bit_colour_travels_as_tiff(tmp_path):
    deep = RGB.astype("u2") * 257
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb")
    source = read(tmp_path / "a.tif")
    write(tmp_path / "b.tif", source.volumes, like=source)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), deep)


def spoilt():
    """Yield files that must be refused, with the reason."""
    good = png(GREY)
    head, rest = good[:8], good[8:]
    body = bytearray(rest[8:21])
    yield "cut.png", good[:-1], MalformedInput
    yield "no end.png", good[:-12], MalformedInput
    yield "after.png", good + b"x", MalformedInput
    yield "checksum.png", good[:40] + bytes([good[40] ^ 1]) + good[41:], MalformedInput
    yield "no header.png", head + chunk(b"IDAT", b"x") + chunk(b"IEND", b""), MalformedInput
    animated = chunk(b"acTL", struct.pack(">II", 2, 0))
    yield "animated.png", head + rest[:25] + animated + rest[25:], MalformedInput
    bomb = struct.pack(">II", 20000, 20000) + bytes(body[8:])
    yield "bomb.png", head + chunk(b"IHDR", bomb) + rest[25:], LimitExceeded
    zero = struct.pack(">II", 0, 9) + bytes(body[8:])
    yield "zero.png", head + chunk(b"IHDR", zero) + rest[25:], MalformedInput
    deep = bytes(body[:8]) + b"\x10\x02" + bytes(body[10:])
    yield "deep.png", head + chunk(b"IHDR", deep) + rest[25:], MalformedInput
    yield "other.png", b"GIF89a" + bytes(100), MalformedInput
    yield "empty.png", b"", MalformedInput
    file = BytesIO()
    Image.fromarray(RGB).convert("CMYK").save(file, "JPEG")
    yield "cmyk.jpg", file.getvalue(), MalformedInput
    file = BytesIO()
    Image.fromarray(RGB).save(file, "JPEG")
    yield "cut.jpg", file.getvalue()[:-60], MalformedInput
    yield "head.jpg", file.getvalue()[:30], MalformedInput
    for k, options in enumerate([{}, {"compression": "zlib"}]):
        file = BytesIO()
        tifffile.imwrite(file, GREY, **options)
        yield f"cut{k}.tif", file.getvalue()[:-20], MalformedInput
        yield f"head{k}.tif", file.getvalue()[:100], MalformedInput
    file = BytesIO()
    tifffile.imwrite(file, np.zeros((1, 1), "c8"))
    yield "complex.tif", file.getvalue(), MalformedInput
    file = BytesIO()
    tifffile.imwrite(file, np.full((4, 4), np.nan, "f4"))
    yield "nan.tif", file.getvalue(), MalformedInput
    file = BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(GREY)
        writer.write(GREY[:5])
    yield "sizes.tif", file.getvalue(), MalformedInput


@pytest.mark.parametrize(("name", "data", "error"), list(spoilt()), ids=lambda x: str(x)[:12])
def test_bad_pictures_are_refused(tmp_path, name, data, error):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(error) as caught:
        read(tmp_path / name)
    assert name in str(caught.value)


def test_a_strip_that_inflates_too_far_is_refused(tmp_path):
    file = BytesIO()
    tifffile.imwrite(file, np.zeros((1000, 1000), "u1"), compression="zlib", metadata=None)
    data = bytearray(file.getvalue())
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        page = tiff.pages[0]
        width, height = page.tags[256].valueoffset, page.tags[257].valueoffset
        rows = page.tags[278].valueoffset
    for offset in (width, height, rows):
        data[offset : offset + 2] = struct.pack("<H", 10)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(LimitExceeded, match="inflates"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("count", [200, pytest.param(4000, marks=pytest.mark.slow)])
def test_mutations_are_read_or_refused(tmp_path, count, capfd):
    rng, codes = np.random.default_rng(count), set()
    files = {".png": [png(GREY), png(RGB), png(GREY16)], ".jpg": [], ".tif": []}
    for array in (GREY, RGB):
        file = BytesIO()
        Image.fromarray(array).save(file, "JPEG")
        files[".jpg"].append(file.getvalue())
        for packing in ("raw", "tiff_lzw", "tiff_adobe_deflate"):
            file = BytesIO()
            Image.fromarray(array).save(file, "TIFF", compression=packing)
            files[".tif"].append(file.getvalue())
    for k in range(count):
        suffix = (".png", ".jpg", ".tif", ".tif")[k % 4]
        base = bytearray(files[suffix][rng.integers(len(files[suffix]))])
        at = rng.integers(len(base))
        if k % 3 == 0:
            base[at] ^= 1 << rng.integers(8)
        elif k % 3 == 1:
            base[at : at + rng.integers(1, 9)] = rng.bytes(rng.integers(0, 9))
        else:
            del base[at:]
        (tmp_path / f"a{suffix}").write_bytes(base)
        try:
            read(tmp_path / f"a{suffix}")
        except MedacuityError as error:
            codes.add(error.exit_code)
    assert codes <= {3, 4}
    assert capfd.readouterr() == ("", "")
