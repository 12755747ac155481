"""`powerlab screenshot -o PNG`"""

from pathlib import Path

import click

from powerlab.bench import open_bench
from powerlab_traces.errors import PowerlabError


@click.command("screenshot", epilog="Example: powerlab screenshot --bench bench.toml -o screen.png")
@click.option("--bench", "bench_file", type=click.Path(path_type=Path), default="bench.toml", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="PNG to write; never overwrites.")
def command(bench_file: Path, output: Path) -> None:
    """Save the scope's screen as a picture. Changes no setting but the scope's ink saver."""
    with open_bench(bench_file) as bench:
        picture = bench.scope.screenshot()
    try:
        with output.open("xb") as file:
            file.write(picture)
    except OSError as error:
        raise PowerlabError(f"{output} cannot be written ({error.strerror}); give another name with -o") from error
    click.echo(f"wrote {output}")
