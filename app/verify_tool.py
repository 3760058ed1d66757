"""The command `betrace verify`."""

import sys
from pathlib import Path

import click

from app.errors import UserError


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="TRACES...")
@click.option("--key-file", type=click.Path(path_type=Path), help="The 32 bytes of a local key.")
@click.option("--vault", metavar="ADDR", help="Vault or OpenBao; its token is in VAULT_TOKEN or BAO_TOKEN.")
@click.option("--mount", default="transit", show_default=True, help="The transit engine.")
@click.option("--vault-key", metavar="KEY", help="The key there, if it is not called as in the key ids.")
@click.option(
    "--aws-kms", metavar="ARN", help="A key of AWS KMS; credentials are in AWS_ACCESS_KEY_ID and so on."
)
@click.option("--aws-endpoint", metavar="URL", help="Another endpoint than the region's.")
@click.option("--key-name", "names", multiple=True, metavar="NAME=TENANT", help="Whose key a name is.")
@click.option(
    "--min-coverage", default="storage", show_default=True, help="core, storage, full, or 0x and the bits."
)
@click.option(
    "--accept-legacy", is_flag=True, help="Check signatures of the older format too; they verify nothing."
)
@click.option("--allow-unsigned", is_flag=True, help="A span without a signature is no failure.")
@click.option("--all", "every", is_flag=True, help="Tell all spans, not only those that are not verified.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def verify(
    files: tuple[str, ...],
    key_file: Path | None,
    vault: str | None,
    mount: str,
    vault_key: str | None,
    aws_kms: str | None,
    aws_endpoint: str | None,
    names: tuple[str, ...],
    min_coverage: str,
    accept_legacy: bool,
    allow_unsigned: bool,
    every: bool,
    form: str,
) -> None:
    """Verify the signatures of stored spans: ends with 0 if all hold, 1 if not, 2 for bad input or no key."""
    from app.clock import now
    from app.settings import aws_login, vault_token
    from app.signing_keys import Mac, SigningKeys, of_aws, of_master, of_vault
    from app.verify import Verification, tell_json, tell_text, tenants
    from streams.signature_check import Policy
    from streams.signature_coverage import BadCoverage, bits

    mac: Mac
    match key_file, vault, aws_kms:
        case Path(), None, None:
            mac = of_master(_master(key_file))
        case None, str(), None:
            mac = of_vault(vault, mount, vault_key, vault_token())
        case None, None, str():
            if aws_kms.count(":") < 5:
                raise UserError(
                    f"--aws-kms {aws_kms}: give the ARN of the key, arn:aws:kms:REGION:ACCOUNT:key/ID"
                )
            mac = of_aws(aws_kms, aws_login(), aws_endpoint, lambda: now() / 1e9)
        case _:
            raise UserError("give one of --key-file, --vault and --aws-kms, which says where the key is")
    try:
        policy = Policy(bits(min_coverage), accept_legacy=accept_legacy)
    except BadCoverage as problem:
        raise UserError(f"--min-coverage: {problem}") from None
    verification = Verification(SigningKeys(mac, tenants(names)), policy, now() / 1e9, allow_unsigned)
    tell = tell_json if form == "json" else tell_text
    tell(verification, files, every, click.echo)
    for line in verification.problems:
        click.echo(f"betrace: {line}", err=True)
    sys.exit(verification.code())


def _master(file: Path) -> bytes:
    try:
        master = file.read_bytes()
    except OSError as problem:
        raise UserError(f"--key-file {file} cannot be read: {problem.strerror}") from None
    if len(master) != 32:
        raise UserError(f"--key-file {file} has to hold 32 bytes and holds {len(master)}")
    return master
