//! A connection to each server, one request at a time on it.
//!
//! A request takes the connection out of its place and puts it back when its answer has come. So a
//! connection whose state is not known, because the request failed, ran out of time or was dropped,
//! is never used again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use rocketmq_wire::remoting::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};

/// The connection to one server, while no request is on it.
type Place = Arc<tokio::sync::Mutex<Option<TcpStream>>>;

#[derive(Debug)]
pub(super) struct Links {
    credentials: Option<Credentials>,
    timeout: Duration,
    next_opaque: AtomicI32,
    places: Mutex<HashMap<String, Place>>,
}

impl Links {
    pub(super) fn new(credentials: Option<Credentials>, timeout: Duration) -> Self {
        Self {
            credentials,
            timeout,
            next_opaque: AtomicI32::new(1),
            places: Mutex::new(HashMap::new()),
        }
    }

    /// Sends the request and waits for its answer, whatever its code.
    pub(super) async fn ask(
        &self,
        operation: &'static str,
        address: &str,
        mut request: Frame,
    ) -> Result<Frame, Error> {
        request.opaque = self.next_opaque.fetch_add(1, Ordering::Relaxed);
        if let Some(credentials) = &self.credentials {
            credentials.sign_remoting(&mut request);
        }
        let mut bytes = BytesMut::new();
        if let Err(error) = request.encode(&mut bytes) {
            return Err(Error::invalid(operation, "request", error.to_string()));
        }
        let place = self.place(address);
        let exchanged = exchange(&place, address, &bytes, request.opaque);
        let kind = match tokio::time::timeout(self.timeout, exchanged).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(reason)) => ErrorKind::Unreachable {
                address: address.to_owned(),
                reason,
            },
            Err(_elapsed) => ErrorKind::Timeout {
                address: address.to_owned(),
                after: self.timeout,
            },
        };
        Err(Error::new(operation, kind))
    }

    fn place(&self, address: &str) -> Place {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry(address.to_owned()).or_default())
    }
}

async fn exchange(
    place: &Place,
    address: &str,
    request: &[u8],
    opaque: i32,
) -> Result<Frame, String> {
    let mut place = place.lock().await;
    // A server may have closed an idle connection; that shows only now. To ask twice is harmless.
    if let Some(mut stream) = place.take()
        && let Ok(answer) = converse(&mut stream, request, opaque).await
    {
        *place = Some(stream);
        return Ok(answer);
    }
    let connected = TcpStream::connect(address).await;
    let mut stream = connected.map_err(|error| error.to_string())?;
    let answer = converse(&mut stream, request, opaque).await?;
    *place = Some(stream);
    Ok(answer)
}

/// Writes the request and reads frames until its answer comes.
async fn converse(stream: &mut TcpStream, request: &[u8], opaque: i32) -> Result<Frame, String> {
    let said = |error: std::io::Error| error.to_string();
    stream.write_all(request).await.map_err(said)?;
    let mut buffer = BytesMut::new();
    loop {
        while let Some(frame) = Frame::decode(&mut buffer).map_err(|error| error.to_string())? {
            if frame.is_response() && frame.opaque == opaque {
                return Ok(frame);
            }
        }
        if stream.read_buf(&mut buffer).await.map_err(said)? == 0 {
            return Err("the connection was closed before the answer".to_owned());
        }
    }
}
