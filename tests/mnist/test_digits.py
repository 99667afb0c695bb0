"""A person's own pictures of digits become what MNIST would have made of them."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageOps

from nnhp_torch import DigitImages
from nnhp_torch.mnist import files as mnist
from nnhp_torch.mnist.digits import read_digit


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


def test_what_is_no_digit_is_named(tmp_path):
    with pytest.raises(ValueError, match="there is no picture"):
        DigitImages(str(tmp_path))
    Image.new("L", (50, 50), "white").save(tmp_path / "blank.png")
    with pytest.raises(ValueError, match=r"nothing on .*blank\.png"):
        DigitImages(str(tmp_path))
    (tmp_path / "blank.png").write_text("text")
    with pytest.raises(ValueError, match=r"blank\.png is no picture"):
        DigitImages(str(tmp_path))
