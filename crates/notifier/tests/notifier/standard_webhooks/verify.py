"""Reads cases as lines of JSON (secret, headers, body); answers each with a line, `yes` or `no`."""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

for line in sys.stdin:
    case = json.loads(line)
    try:
        Webhook(case["secret"]).verify(case["body"], case["headers"])
        print("yes")
    except WebhookVerificationError:
        print("no")
