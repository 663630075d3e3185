// Reads cases as lines of JSON (secret, headers, body); answers each with a line, `yes` or `no`.

const { Webhook, WebhookVerificationError } = require("standardwebhooks");
const { createInterface } = require("node:readline");

createInterface({ input: process.stdin }).on("line", (line) => {
  const { secret, headers, body } = JSON.parse(line);
  try {
    new Webhook(secret).verify(body, headers);
    console.log("yes");
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    console.log("no");
  }
});
