"""A person's own pictures of digits become what MNIST would have made of them."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageOps

from nnhp_torch import DigitImages
from nnhp_torch.mnist import files as mnist
from nnhp_torch.mnist.digits import ENLARGED, GAP, read_digit, sheet


@pytest.fixture
def seven(tmp_path):
    """A seven drawn in black on white, off the middle."""
    picture = Image.new("L", (200, 160), "white")
    ImageDraw.Draw(picture).line([(30, 20), (80, 20), (50, 110)], fill="black", width=10)
    path = tmp_path / "seven.png"
    picture.save(path)
    return path


def _saved(picture, path):
    picture.save(path)
    return read_digit(path)


def test_a_digit_fills_twenty_pixels_of_twenty_eight_light_on_dark(seven):
    image = read_digit(seven)
    assert (image.shape, image.dtype) == ((28, 28), torch.uint8)
    rows, columns = image.any(1).nonzero(), image.any(0).nonzero()
    assert (rows.max() - rows.min() + 1) == 20
    assert (columns.max() - columns.min() + 1) < 20, "its proportions are kept"
    assert image.max() == 255
    assert image[0].max() == 0


def test_its_centre_of_mass_is_in_the_middle(seven):
    image = read_digit(seven).double()
    places = torch.arange(28, dtype=torch.float64)
    centre = torch.stack([image.sum(1) @ places, image.sum(0) @ places]) / image.sum()
    assert (centre - 14).abs().max() <= 0.5


def test_paper_size_place_and_transparency_do_not_matter(seven, tmp_path):
    expected, picture = read_digit(seven).double(), Image.open(seven)
    moved = Image.new("L", (300, 300), "white")
    moved.paste(picture, (90, 120))
    transparent = Image.merge("LA", [Image.new("L", picture.size, 0), ImageOps.invert(picture)])
    for name, other in {
        "negative": ImageOps.invert(picture),
        "moved": moved,
        "larger": picture.resize((400, 320)),
        "grey paper, pale ink": picture.point(lambda v: 100 + v // 3),
        "transparent": transparent,
        "colour": ImageOps.colorize(picture, "darkblue", "beige"),
    }.items():
        image = _saved(other, tmp_path / f"{name}.png").double()
        assert torch.corrcoef(torch.stack([image.flatten(), expected.flatten()]))[0, 1] > 0.97, name


def test_an_image_of_mnist_enlarged_on_paper_is_that_image_again(tmp_path):
    images = mnist.load("MNIST", mnist.default_data_dir())[2][:20]
    for i, original in enumerate(images):
        paper = Image.new("L", (400, 300), "white")
        paper.paste(ImageOps.invert(Image.fromarray(original).resize((224, 224), Image.Resampling.NEAREST)), (90, 30))
        again = _saved(paper, tmp_path / f"{i}.png").numpy()
        assert np.corrcoef(again.ravel(), original.ravel())[0, 1] > 0.9, i


def test_files_come_in_the_order_of_their_names_as_one_batch_in_the_unit_interval(seven, tmp_path):
    ImageOps.invert(Image.open(seven)).save(tmp_path / "again.jpeg")
    (tmp_path / "notes.txt").write_text("no picture")
    data = DigitImages(str(tmp_path))
    (batch,) = data.predict_dataloader()
    assert data.names == ["again.jpeg", "seven.png"]
    assert (batch.shape, batch.dtype, batch.min(), batch.max()) == ((2, 1, 28, 28), torch.float32, 0, 1)


def test_the_depth_of_a_picture_does_not_matter(seven, tmp_path):
    faint = Image.open(seven).point(lambda v: 80 + v // 2)  # pale ink on grey paper: all of it above 255 in 16 bits
    expected = _saved(faint, tmp_path / "8.png")
    grey = np.asarray(faint)
    pictures = {
        "16.png": Image.fromarray(grey.astype(np.uint16) * 257),
        "32.tiff": Image.fromarray(grey.astype(np.int32) * 257),
        "float.tiff": Image.fromarray(grey.astype(np.float32) / 255),
        "palette.png": faint.convert("P"),
        "cmyk.tiff": faint.convert("CMYK"),
    }
    for name, picture in pictures.items():
        assert (_saved(picture, tmp_path / name).int() - expected.int()).abs().max() <= 4, name


def test_what_is_transparent_in_a_palette_is_paper(seven, tmp_path):
    drawn = np.asarray(Image.open(seven)) < 128
    palette = Image.fromarray(drawn.astype(np.uint8))
    palette.putpalette([0] * 768)  # its paper is as black as its ink
    palette.save(tmp_path / "palette.png", transparency=0)
    assert torch.equal(read_digit(tmp_path / "palette.png"), _saved(Image.fromarray(~drawn), tmp_path / "plain.png"))


def test_a_bad_file_is_named_and_the_others_are_read(seven, tmp_path):
    Image.new("L", (50, 50), "white").save(tmp_path / "blank.png")
    (tmp_path / "cut.png").write_bytes(seven.read_bytes()[:60])
    (tmp_path / "empty.jpg").touch()
    with pytest.warns(UserWarning, match="left out: ") as warned:
        data = DigitImages(str(tmp_path))
    assert data.names == ["seven.png"]
    assert len(data.images) == 1
    assert [str(warning.message) for warning in warned] == [f"left out: {why}" for why in data.refused]
    for name, why in zip(("blank.png", "cut.png", "empty.jpg"), data.refused, strict=True):
        assert name in why
        assert "\n" not in why


def test_a_file_may_be_given_in_place_of_a_folder(seven):
    assert DigitImages(str(seven)).names == ["seven.png"]


def test_a_sheet_shows_each_image_as_the_network_sees_it(seven):
    images = DigitImages(str(seven)).images
    page = sheet(torch.cat([images] * 7), ["seven.png\n7 99%, or 1 1%"] * 7)
    pixels = np.asarray(page)[GAP : GAP + 28 * ENLARGED : ENLARGED, GAP : GAP + 28 * ENLARGED : ENLARGED]
    assert np.array_equal(pixels, (255 * images[0, 0]).round().numpy().astype(np.uint8))
    assert page.width > 5 * 28 * ENLARGED
    assert page.height > 2 * 28 * ENLARGED


def test_what_is_no_digit_is_named(tmp_path):
    with pytest.raises(ValueError, match="there is no picture"):
        DigitImages(str(tmp_path))
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere"):
        DigitImages(str(tmp_path / "nowhere"))
    Image.new("L", (50, 50), "white").save(tmp_path / "blank.png")
    with pytest.raises(ValueError, match=r"nothing on .*blank\.png"):
        DigitImages(str(tmp_path))
    (tmp_path / "blank.png").write_text("text")
    with pytest.raises(ValueError, match=r"blank\.png is no picture"):
        DigitImages(str(tmp_path))
