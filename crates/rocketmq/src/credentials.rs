//! Who this client is to the servers: an access key, and a secret that signs and is never sent.
//!
//! Over gRPC the time is signed; over remoting the named fields and the body are. Both are
//! HMAC-SHA1, because that is what the servers know. The invariant: the secret and the session token
//! are in no `Debug`, no `Display` and no error.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use rocketmq_wire::metadata;
use rocketmq_wire::remoting::Frame;

use crate::error::Error;

/// Longest key or token. A header that carries one must stay well below 8 KiB.
const LONGEST: usize = 4096;

/// An access key with its secret, as ACL 2.0 of Apache RocketMQ calls a user and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    access_key: String,
    secret_key: String,
    session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Credentials that last.
    ///
    /// # Errors
    /// When a key is empty, longer than 4096 bytes, or holds what cannot be sent: anything but
    /// visible ASCII, and in the access key also `,` and `/`, where servers would cut it. The
    /// error names the field and never its value.
    pub fn new(
        access_key: impl Into<String>,
        secret_key: impl Into<String>,
    ) -> Result<Self, Error> {
        let (access_key, secret_key) = (access_key.into(), secret_key.into());
        check("access_key", &access_key, &[',', '/'])?;
        if secret_key.is_empty() || secret_key.len() > LONGEST {
            return Err(refused(
                "secret_key",
                format!("is {} bytes long: 1 to {LONGEST}", secret_key.len()),
            ));
        }
        Ok(Self {
            access_key,
            secret_key,
            session_token: None,
        })
    }

    /// The same, with the token that temporary credentials come with.
    ///
    /// # Errors
    /// As [`Credentials::new`].
    pub fn with_session_token(mut self, token: impl Into<String>) -> Result<Self, Error> {
        let token = token.into();
        check("session_token", &token, &[])?;
        self.session_token = Some(token);
        Ok(self)
    }

    /// The access key, which is no secret.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The gRPC metadata of a request that is sent at `unix_s`, seconds since 1970: names and
    /// values, all visible ASCII. Only the time is signed, so each request needs its own.
    #[must_use]
    pub fn headers(&self, unix_s: u64) -> Vec<(&'static str, String)> {
        let now = date_time(unix_s);
        let mut signature = String::with_capacity(40);
        for byte in self.sign(now.as_bytes()).as_ref() {
            signature.push_str(&format!("{byte:02X}"));
        }
        let authorization = format!(
            "{} Credential={}, SignedHeaders={}, Signature={signature}",
            metadata::SIGNATURE_ALGORITHM,
            self.access_key,
            metadata::DATE_TIME,
        );
        let mut headers = vec![
            (metadata::AUTHORIZATION, authorization),
            (metadata::DATE_TIME, now),
        ];
        if let Some(token) = &self.session_token {
            headers.push((metadata::SESSION_TOKEN, token.clone()));
        }
        headers
    }

    /// Signs a remoting request, whose fields and body must be complete: adds `AccessKey`,
    /// `SecurityToken` where there is one, and `Signature`, over the values of all other fields in
    /// the order of their names, and then the body. A frame that was signed before is signed anew.
    pub fn sign_remoting(&self, frame: &mut Frame) {
        frame.ext_fields.remove("Signature");
        frame
            .ext_fields
            .insert("AccessKey".to_owned(), self.access_key.clone());
        if let Some(token) = &self.session_token {
            frame
                .ext_fields
                .insert("SecurityToken".to_owned(), token.clone());
        }
        let mut content = Vec::with_capacity(frame.body.len() + 256);
        for value in frame.ext_fields.values() {
            content.extend_from_slice(value.as_bytes());
        }
        content.extend_from_slice(&frame.body);
        let signature = STANDARD.encode(self.sign(&content));
        frame.ext_fields.insert("Signature".to_owned(), signature);
    }

    fn sign(&self, content: &[u8]) -> hmac::Tag {
        let key = hmac::Key::new(
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            self.secret_key.as_bytes(),
        );
        hmac::sign(&key, content)
    }
}

fn check(field: &'static str, value: &str, forbidden: &[char]) -> Result<(), Error> {
    if value.is_empty() || value.len() > LONGEST {
        let reason = format!("is {} bytes long: 1 to {LONGEST}", value.len());
        return Err(refused(field, reason));
    }
    let sendable = |c: char| c.is_ascii_graphic() && !forbidden.contains(&c);
    if let Some(at) = value.chars().position(|c| !sendable(c)) {
        let reason = format!(
            "character {}: visible ASCII only{}",
            at + 1,
            if forbidden.is_empty() {
                ""
            } else {
                ", without , and /"
            },
        );
        return Err(refused(field, reason));
    }
    Ok(())
}

fn refused(field: &'static str, reason: String) -> Error {
    Error::invalid("credentials", field, reason)
}

/// `20260102T030405Z` of a moment in seconds since 1970, in UTC.
fn date_time(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    // Days since 0000-03-01, so that a leap day is the last of its year, and 400-year eras repeat.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!(
        "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{:02}Z",
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const SECRET: &str = "a-secret-that-must-not-show";

    fn credentials() -> Credentials {
        Credentials::new("ringback", SECRET).unwrap()
    }

    /// The vectors were made with `openssl dgst -sha1 -hmac`, not with this code.
    #[test]
    fn the_time_is_signed_as_the_servers_check_it() {
        let headers = credentials().headers(1_700_000_000);
        assert_eq!(
            headers,
            [
                (
                    "authorization",
                    "MQv2-HMAC-SHA1 Credential=ringback, SignedHeaders=x-mq-date-time, \
                     Signature=0556B75BAEE87DDE5ED69A46322B2BC3CCC9084C"
                        .to_owned()
                ),
                ("x-mq-date-time", "20231114T221320Z".to_owned()),
            ]
        );
        let later = credentials().headers(1_700_000_001);
        assert_ne!(headers, later, "a signature is of its own time");
    }

    #[test]
    fn a_session_token_goes_with_both_protocols() {
        let temporary = credentials().with_session_token("token-1").unwrap();
        let headers = temporary.headers(0);
        assert!(headers.contains(&("x-mq-session-token", "token-1".to_owned())));
        let mut frame = Frame::request(17, 1);
        temporary.sign_remoting(&mut frame);
        assert_eq!(frame.ext_fields["SecurityToken"], "token-1");
        let mut without = Frame::request(17, 1);
        credentials().sign_remoting(&mut without);
        assert_ne!(
            frame.ext_fields["Signature"], without.ext_fields["Signature"],
            "the token is signed"
        );
    }

    #[test]
    fn a_remoting_request_is_signed_over_its_fields_by_name_and_then_its_body() {
        let mut frame = Frame::request(17, 1);
        for (name, value) in [("topic", "t"), ("perm", "6"), ("Zone", "z")] {
            frame.ext_fields.insert(name.to_owned(), value.to_owned());
        }
        frame.body = "{\"a\":1}".into();
        credentials().sign_remoting(&mut frame);
        assert_eq!(frame.ext_fields["AccessKey"], "ringback");
        // Over "ringback" + "z" + "6" + "t" + body: capitals before small letters.
        assert_eq!(
            frame.ext_fields["Signature"],
            "g94zKlF5n7jkDmIIoz+vQ9d0K2E="
        );
        let once = frame.clone();
        credentials().sign_remoting(&mut frame);
        assert_eq!(frame, once, "signing again changes nothing");
    }

    #[test]
    fn neither_debug_nor_an_error_shows_a_secret() {
        let shown = format!(
            "{:?}",
            credentials().with_session_token("a-token-that").unwrap()
        );
        assert!(shown.contains("ringback"), "{shown}");
        assert!(!shown.contains("secret-that"), "{shown}");
        assert!(!shown.contains("token-that"), "{shown}");
        let refused = credentials()
            .with_session_token("a token")
            .unwrap_err()
            .to_string();
        assert!(refused.contains("session_token"), "{refused}");
        assert!(!refused.contains("a token"), "{refused}");
    }

    #[test]
    fn what_no_server_would_take_is_refused_by_its_field() {
        let field = |result: Result<Credentials, Error>| match result.unwrap_err().kind() {
            ErrorKind::Invalid { field, .. } => *field,
            other => panic!("{other}"),
        };
        for bad in ["", "a b", "a,b", "a/b", "ä", "a\nb", &"x".repeat(4097)] {
            assert_eq!(field(Credentials::new(bad, "s")), "access_key", "{bad:?}");
        }
        assert_eq!(field(Credentials::new("a", "")), "secret_key");
        assert_eq!(field(credentials().with_session_token("")), "session_token");
    }

    #[test]
    fn moments_are_written_in_utc_through_leap_days_and_year_ends() {
        for (unix_s, text) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_709_251_199, "20240229T235959Z"),
            (1_709_251_200, "20240301T000000Z"),
            (1_798_761_599, "20261231T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(date_time(unix_s), text);
        }
    }
}
