//! Small makers of messages that every request or reply needs.

use crate::v2;

/// A reply's status.
#[must_use]
pub fn status(code: v2::Code, message: impl Into<String>) -> v2::Status {
    v2::Status {
        code: code.into(),
        message: message.into(),
    }
}

/// A topic or group without a namespace.
#[must_use]
pub fn resource(name: impl Into<String>) -> v2::Resource {
    v2::Resource {
        resource_namespace: String::new(),
        name: name.into(),
    }
}
