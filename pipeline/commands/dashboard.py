"""`python -m pipeline dashboard`."""

import argparse


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("dashboard", help="save a workspace and a comparison of all runs in W&B")
    command.epilog = (
        "Example: wandb login; python -m pipeline dashboard. It needs a key and saves into WANDB_PROJECT (facet); "
        "what was saved before stays."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications.dashboard import dashboard

    for address in dashboard():
        print(address)
