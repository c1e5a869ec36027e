"""`gateway sign`: an alert with an enveloped signature, every other byte as it was.

Knows: files, and which exit code a refusal becomes. Never knows: how a signature is made.
"""

import argparse
import sys
from pathlib import Path

from gateway.cap.parse import Limits
from gateway.cap.signing import Signed, sign
from gateway.commands.console import Exit, complain, read_file

EXAMPLES = """\
The signature is RSA or ECDSA with SHA-256, after the key. Signatures that stand in the alert already are kept.

exit codes: 0 signed, 1 the alert can not be signed, 2 a file or the key could not be read

examples:
  gateway sign --key gateway.key --certificate gateway.pem alert.xml -o signed.xml
  gateway sign --key gateway.key --certificate gateway.pem - < alert.xml | gateway verify --trust gateway.pem -
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    parser.add_argument("file", metavar="IN", help="a CAP alert as XML; - reads from stdin")
    parser.add_argument("--key", metavar="FILE", required=True, help="the private key in PEM form, without passphrase")
    help_ = "its certificate in PEM form, those that certify it after it"
    parser.add_argument("--certificate", metavar="FILE", required=True, help=help_)
    parser.add_argument("-o", "--output", metavar="OUT", help="where to write the signed alert; default: stdout")


def run(options: argparse.Namespace) -> int:
    """Write the signed alert, or say why there is none."""
    contents = [read_file(name, Limits().max_bytes) for name in (options.file, options.key, options.certificate)]
    alert, key, certificate = contents
    if alert is None or key is None or certificate is None:
        return Exit.UNREADABLE
    try:
        signed = sign(alert, key, certificate)
    except ValueError as error:
        complain(str(error))
        return Exit.UNREADABLE
    return _write(signed, options.output) if signed.document else _refuse(options.file, signed)


def _write(signed: Signed, output: str | None) -> int:
    assert signed.document is not None
    if output is None:
        sys.stdout.buffer.write(signed.document)
        sys.stdout.buffer.flush()
        return Exit.DONE
    try:
        Path(output).write_bytes(signed.document)
    except OSError as error:
        complain(f"{output}: {error.strerror}")
        return Exit.UNREADABLE
    return Exit.DONE


def _refuse(name: str, signed: Signed) -> int:
    complain(f"{name} can not be signed:", *(f"  {finding.message}" for finding in signed.findings))
    return Exit.UNREADABLE if any(finding.id == "XML" for finding in signed.findings) else Exit.NO
