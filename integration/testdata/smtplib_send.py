"""Send messages with Python's smtplib over one connection.

usage: smtplib_send.py HOST PORT SPOOL

SPOOL/envelopes.json is a list of {"id", "from", "to": [...], "eightbit"}; the content of each is SPOOL/ID.eml, with
CRLF. One line is printed for each message that was acknowledged for all its recipients: its id.
"""

import json
import pathlib
import smtplib
import sys


def main() -> int:
    host, port, spool = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
    envelopes = json.loads((spool / "envelopes.json").read_text())
    with smtplib.SMTP(host, port, local_hostname="python.test.example", timeout=90) as smtp:
        smtp.ehlo()
        for e in envelopes:
            options = ["BODY=8BITMIME"] if e["eightbit"] else []
            content = (spool / (e["id"] + ".eml")).read_bytes()
            refused = smtp.sendmail(e["from"], e["to"], content, mail_options=options)
            if refused:
                print("refused:", e["id"], refused, file=sys.stderr)
                return 1
            print(e["id"], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
