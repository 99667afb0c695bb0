"""The notebook of the library's page, from its first cell to its last, stopped in the middle of its sweep."""

import asyncio
import base64
import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

NOTEBOOK = Path(__file__).parents[1] / "nnhp_torch" / "notebook.ipynb"
SWEEP = "sweep.run("


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The notebook's cells with what they have put out; the sweep's runs twice, stopped once it has a result."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        cell.outputs = []
        cell.source = cell.source.replace("max_epochs: int = 20", "max_epochs: int = 2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
        for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(folder / "jupyter"))
        stopped = asyncio.run(_play(notebook, folder))
    return stopped, notebook


async def _play(notebook, folder):
    client = nbclient.NotebookClient(
        notebook, timeout=300, coalesce_streams=True, resources={"metadata": {"path": str(folder)}}
    )
    stopped = None
    async with client.async_setup_kernel():
        for place, cell in enumerate(notebook.cells):
            if cell.cell_type != "code" or "skip-execution" in cell.metadata.get("tags", ()):
                continue
            if SWEEP in cell.source:
                running = asyncio.create_task(client.async_execute_cell(cell, place))
                while "✓" not in _text(cell) and not running.done():
                    await asyncio.sleep(0.02)
                await client.km.interrupt_kernel()
                stopped = nbformat.from_dict(await running)
            await client.async_execute_cell(cell, place)
    return stopped


def _text(cell):
    """The text that a cell has printed."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def _data(notebook, source):
    """The last output of the cell that has this in its source."""
    (cell,) = [cell for cell in notebook.cells if source in cell.source and cell.cell_type == "code"]
    return cell.outputs[-1].data


def test_the_stop_button_leaves_what_is_finished_and_the_same_cell_goes_on(played):
    stopped, notebook = played
    assert "Interrupted: " in _text(stopped)
    done = _text(stopped).count("✓")
    assert done >= 1
    (cell,) = [cell for cell in notebook.cells if SWEEP in cell.source]
    assert f"{8 - done} trials to run, {done} more are in the ledger already" in _text(cell)
    assert _text(cell).count("✓") == 8 - done
    assert "Winner: " in _text(cell)


def test_its_progress_is_a_line_per_trial_without_what_moves_a_cursor_and_says_where_it_runs(played):
    for cell in (played[0], *played[1].cells):
        if SWEEP in cell.source:
            assert not re.search("[\x1b\r]", _text(cell))
            assert max(map(len, _text(cell).splitlines())) <= 100
            assert len(_text(cell).splitlines()) < 40
            assert "Runs in this process, because __main__:build cannot be imported by worker processes" in _text(cell)
            shown = [output for output in cell.outputs if output.output_type == "display_data"]
            assert [output.data for output in shown] == [{"text/plain": ""}], "what ran is no longer shown"
            assert not [output for output in cell.outputs if output.get("name") == "stderr"]


def test_the_sweep_itself_is_at_most_six_lines(played):
    lines = [line for cell in played[1].cells if SWEEP in cell.source for line in cell.source.splitlines()]
    assert len([line for line in lines if line.strip()]) <= 6


def test_its_table_is_html_its_figure_a_picture_and_its_frame_a_table_of_pandas(played):
    assert "<table>" in _data(played[1], "outcome.table()")["text/html"]
    picture = base64.b64decode(_data(played[1], "outcome.figure()")["image/png"])
    assert picture.startswith(b"\x89PNG")
    assert "dataframe" in _data(played[1], "outcome.frame()")["text/html"]
    assert "tensor" in _data(played[1], "outcome.best.load()")["text/plain"]


def test_it_is_kept_with_its_outputs_which_name_no_folder():
    kept = nbformat.read(NOTEBOOK, as_version=4)
    (table,) = [cell for cell in kept.cells if cell.source == "outcome.table()"]
    assert "winner" in str(table.outputs)
    (figure,) = [cell for cell in kept.cells if cell.source == "outcome.figure()"]
    assert "image/png" in figure.outputs[-1].data
    (installs,) = [cell for cell in kept.cells if cell.source.startswith("%pip")]
    assert not installs.outputs, "it would name folders"
    assert not re.search(r"/(home|root|tmp|Users)/", NOTEBOOK.read_text())
