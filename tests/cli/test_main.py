"""`python -m nnhp_torch`: one trial by hand, its YAML, and what LightningCLI would do in silence."""

import sys
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image, ImageDraw

from nnhp_torch.__main__ import main

FIT = Path("lightning_logs/fit")


@pytest.fixture
def run(small, tmp_path, monkeypatch, capsys):
    """Runs a command in an empty folder; returns what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")  # Lightning sets it; so it is unset again

    def run(subcommand, *flags):
        data = ["--data.data_dir", small, "--data.batch_size", "50"]
        where = ["--trainer.accelerator", "cpu", "--trainer.enable_model_summary", "false"]
        given = [subcommand, *([] if "--data" in flags else data), *where, *flags]
        monkeypatch.setattr(sys, "argv", ["nnhp_torch", *given])
        main()
        return capsys.readouterr().out

    return run


def _weights(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def test_a_fit_tells_each_epoch_and_where_its_weights_are(run):
    out = run("fit", "--trainer.max_epochs", "2").splitlines()
    assert [line.split("  ")[0] for line in out[:2]] == ["epoch 1/2", "epoch 2/2"]
    assert "val_accuracy=0." in out[0]
    assert Path(out[2].removeprefix("Weights").strip()).samefile(FIT / "version_0" / "checkpoints" / "last.ckpt")


def test_its_yaml_makes_the_same_trial_again(run):
    flags = ["--trainer.max_epochs", "2", "--model.dropout", "0.5", "--model.hidden_sizes", "[9, 7]"]
    run("fit", *flags)
    run("fit", "--config", str(FIT / "version_0" / "config.yaml"))
    first, second = _weights(FIT / "version_0"), _weights(FIT / "version_1")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first["net.output.weight"].shape == (10, 7)
    run("fit", *flags, "--seed_everything", "7")
    assert not torch.equal(_weights(FIT / "version_2")["net.output.weight"], first["net.output.weight"])


def test_a_fit_that_goes_on_ends_as_one_that_never_stopped(run):
    dropped = ["--model.dropout", "0.5"]
    run("fit", "--trainer.max_epochs", "4", *dropped)
    run("fit", "--trainer.max_epochs", "2", *dropped)
    run("fit", "--trainer.max_epochs", "4", "--ckpt_path", str(FIT / "version_1" / "checkpoints" / "last.ckpt"))
    whole, continued = _weights(FIT / "version_0"), _weights(FIT / "version_2")
    assert all(torch.equal(whole[name], continued[name]) for name in whole)


def test_a_checkpoint_brings_its_network_and_a_flag_against_it_is_refused(run, capsys):
    run("fit", "--trainer.max_epochs", "1", "--model.hidden_sizes", "[9]", "--model.reg", "0.1")
    made = ["--ckpt_path", str(FIT / "version_0" / "checkpoints" / "last.ckpt")]
    assert "val_accuracy" in run("validate", *made)
    assert "val_accuracy" in run("validate", *made, "--model.reg", "0.1")
    for flags, said in {
        ("--model.lr", "0.5"): "the checkpoint was made with lr=0.01",
        ("--model.hidden_sizes", "[8]"): "the checkpoint was made with hidden_sizes=[9]",
    }.items():
        with pytest.raises(SystemExit) as raised:
            run("fit", *made, *flags)
        assert raised.value.code == 2
        assert said in capsys.readouterr().err


def test_nothing_of_a_users_is_overwritten(run):
    Path("config.yaml").write_text("mine: true\n")
    run("fit", "--trainer.max_epochs", "1", "--trainer.logger", "false")
    assert Path("config.yaml").read_text() == "mine: true\n"
    version = ["--trainer.max_epochs", "1", "--trainer.logger.version", "mine"]
    run("fit", *version)
    run("fit", *version, "--model.lr", "0.5")
    rates = [
        yaml.safe_load((FIT / "mine" / name).read_text())["model"]["lr"] for name in ("config.yaml", "config-2.yaml")
    ]
    assert rates == [0.01, 0.5]


def test_predictions_are_a_line_per_image(run):
    run("fit", "--trainer.max_epochs", "1")
    lines = run("predict", "--ckpt_path", str(FIT / "version_0" / "checkpoints" / "last.ckpt")).splitlines()
    assert [line.split("\t")[0] for line in lines] == [str(i) for i in range(30)]
    for _, digit, chance, other, less in (line.split("\t") for line in lines):
        assert {int(digit), int(other.removeprefix("or "))} < set(range(10))
        assert float(chance.rstrip("%")) >= float(less.rstrip("%"))


def test_of_ones_own_pictures_it_shows_what_the_network_saw_and_names_those_that_it_could_not_read(run, capsys):
    run("fit", "--trainer.max_epochs", "1")
    made = ["--ckpt_path", str(FIT / "version_0" / "checkpoints" / "last.ckpt")]
    Path("mine").mkdir()
    picture = Image.new("L", (60, 60), "white")
    ImageDraw.Draw(picture).line([(30, 10), (30, 50)], fill="black", width=5)
    picture.save("mine/one.png")
    asked = ["predict", *made, "--data", "DigitImages", "--data.folder", "mine"]
    line, seen = run(*asked).splitlines()
    assert line.startswith("one.png\t")
    assert seen.startswith("Seen     lightning_logs/seen.png")
    with Image.open("lightning_logs/seen.png") as sheet:
        assert sheet.width > 28
    Path("mine/bad.png").write_text("text")
    with pytest.raises(SystemExit) as raised:
        run(*asked)
    out, err = capsys.readouterr()
    assert raised.value.code == 1
    assert out.startswith("one.png\t")
    assert err == "python -m nnhp_torch predict: mine/bad.png is no picture that can be read\n"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["fit", "--model.loss", "hinge"], "loss must be one of cross_entropy"),
        (["fit", "--data.batch_size", "0"], "batch_size must be a whole number"),
        (["validate", "--ckpt_path", "none.ckpt"], "none.ckpt cannot be read: "),
        (["predict"], "--ckpt_path is needed: without it predict would use random weights"),
        (["fit", "--data", "DigitImages", "--data.folder", "."], "there is no picture"),
        (["fit", "--data", "DigitImages", "--data.folder", "never"], "nnhp_torch: there is no folder never ("),
    ],
)
def test_a_wrong_value_is_refused_with_exit_status_2(run, capsys, flags, said):
    with pytest.raises(SystemExit) as raised:
        run(*flags)
    assert raised.value.code == 2
    assert said in capsys.readouterr().err
    assert not Path("lightning_logs").exists()


def _flipped(data):
    middle = data.index(b"/data/0") + 200  # within the weights: torch.load alone would not notice
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
@pytest.mark.parametrize(("damage", "said"), [(lambda data: b"", "cannot be read"), (_flipped, "is wrong")])
def test_a_checkpoint_that_is_damaged_is_refused_with_exit_status_2(run, capsys, command, damage, said):
    torch.save({"state_dict": {"weight": torch.ones(1000)}}, "damaged.ckpt")
    Path("damaged.ckpt").write_bytes(damage(Path("damaged.ckpt").read_bytes()))
    with pytest.raises(SystemExit) as raised:
        run(command, "--ckpt_path", "damaged.ckpt")
    assert raised.value.code == 2
    assert "damaged.ckpt cannot be read: " in (err := capsys.readouterr().err)
    assert said in err
    assert "Traceback" not in err


def test_a_few_lines_of_yaml_that_stand_for_a_memory_full_are_refused_at_once(run, capsys):
    lines = ["x1: &a1 [1]", *(f"x{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(2, 12))]
    Path("bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(SystemExit) as raised:
        run("fit", "--config", "bomb.yaml")
    assert raised.value.code == 2
    assert "its aliases stand for more than 1000000 values" in capsys.readouterr().err


def test_a_checkpoint_that_is_none_is_refused_in_a_line(run, capsys):
    run("fit", "--trainer.max_epochs", "1", "--model.hidden_sizes", "[9]")
    made = FIT / "version_0" / "checkpoints" / "last.ckpt"
    whole, content = made.read_bytes(), torch.load(made, weights_only=True)
    Path("text.ckpt").write_text("text")
    Path("empty.ckpt").touch()
    Path("half.ckpt").write_bytes(whole[: len(whole) // 2])
    torch.save([1, 2], "list.ckpt")
    torch.save(content["state_dict"], "weights.ckpt")
    torch.save({**content, "state_dict": {"other.weight": torch.zeros(2)}}, "other.ckpt")
    torch.save({**content, "hyper_parameters": {**content["hyper_parameters"], "hidden_sizes": [8]}}, "wider.ckpt")
    torch.save({**content, "hyper_parameters": {"no": "such"}}, "foreign.ckpt")
    capsys.readouterr()
    for name in ("text", "empty", "half", "list", "weights", "other", "wider", "foreign"):
        for subcommand in ("test", "fit"):
            with pytest.raises(SystemExit) as raised:
                run(subcommand, "--ckpt_path", f"{name}.ckpt")
            assert raised.value.code == 2
            (line,) = [line for line in capsys.readouterr().err.splitlines() if "INFO" not in line]
            assert line.startswith(f"python -m nnhp_torch: {name}.ckpt "), line


def test_ctrl_c_while_a_project_is_imported_is_one_line_and_130(tmp_path, monkeypatch, capsys):
    script = "from lightning.pytorch.cli import LightningCLI\nraise KeyboardInterrupt\nLightningCLI()\n"
    (tmp_path / "slow_to_import.py").write_text(script)
    monkeypatch.chdir(tmp_path)
    asked = ["--cli", "slow_to_import.py", "--grid.model.lr", "0.1", "--monitor", "val_loss"]
    monkeypatch.setattr(sys, "argv", ["nnhp_torch", "sweep", *asked])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr().err) == (130, "python -m nnhp_torch: interrupted\n")
