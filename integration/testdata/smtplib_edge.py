"""Send one message with Python's smtplib, as the arguments say.

usage: smtplib_edge.py [--starttls | --implicit] [--ca FILE] [--login USER PASSWORD] [--only MECHANISM]
                       HOST PORT SOURCE HELO FROM TO,TO… FILE

The certificate is verified, with its name. The exit code is 0 when the message was taken for all its recipients.
"""

import argparse
import pathlib
import smtplib
import ssl
import sys


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--starttls", action="store_true")
    parser.add_argument("--implicit", action="store_true")
    parser.add_argument("--ca")
    parser.add_argument("--login", nargs=2)
    parser.add_argument("--only", help="of the mechanisms offered, know this one only")
    for name in ("host", "port", "source", "helo", "sender", "recipients", "file"):
        parser.add_argument(name)
    return parser.parse_args()


def main() -> int:
    a = parse()
    context = ssl.create_default_context(cafile=a.ca)
    common = {"local_hostname": a.helo, "timeout": 60, "source_address": (a.source, 0)}
    if a.implicit:
        smtp = smtplib.SMTP_SSL(a.host, int(a.port), context=context, **common)
    else:
        smtp = smtplib.SMTP(a.host, int(a.port), **common)
    with smtp:
        if a.starttls:
            smtp.starttls(context=context)
        smtp.ehlo()
        if a.only:
            offered = smtp.esmtp_features["auth"].split()
            if a.only not in offered:
                sys.exit(f"{a.only} is not among {offered}")
            smtp.esmtp_features["auth"] = a.only
        if a.login:
            smtp.login(*a.login)
        refused = smtp.sendmail(a.sender, a.recipients.split(","), pathlib.Path(a.file).read_bytes())
    if refused:
        sys.exit(f"refused: {refused}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
