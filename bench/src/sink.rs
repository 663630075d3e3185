//! The receiver: a process of its own that takes POSTs and says when they came.
//!
//! The path says how it behaves: `/ok` answers 204 at once, `/fail` and `/rungs` 500, `/hang` never,
//! `/switch` as it was told last.
//! It understands as much of HTTP/1.1 as the notifier speaks (a head, a content length, a body), so
//! that the cost of a receiver's own framework is not measured with it.
//!
//! A body begins with `{"sent_us":` and sixteen digits; the span from then to its arrival is kept.
//! For `/rungs` it is the span from the answer before, less the rung: the lateness.
//! On its standard input `tell` asks for all of it, and `reset` forgets it.

mod head;
mod seen;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::args;
use crate::clock::now_us;

use head::Head;
pub(crate) use seen::{Seen, Told};

const NO_CONTENT: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const REFUSED: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";

/// Runs until standard input ends.
pub(crate) async fn run(args: args::Sink) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.listen).await?;
    let seen = Arc::new(Mutex::new(Seen::new(args.rungs_ms)));
    println!("ready");
    let accepting = tokio::spawn(accept(listener, seen.clone()));
    let answering = tokio::task::spawn_blocking(move || answer(&seen));
    let answered = answering.await.context("who answers")?;
    accepting.abort();
    answered
}

/// Answers what is asked on standard input, a line each, until it ends.
fn answer(seen: &Mutex<Seen>) -> anyhow::Result<()> {
    for question in std::io::stdin().lines() {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        match question?.as_str() {
            "count" => println!("{}", seen.count()),
            "tell" => println!("{}", serde_json::to_string(&seen.told())?),
            "reset" => {
                seen.reset();
                println!("done");
            }
            other => match other.strip_prefix("answer ").map(str::parse) {
                Some(Ok(status)) => {
                    seen.switch(status);
                    println!("done");
                }
                _ => anyhow::bail!("{other:?} is no question"),
            },
        }
    }
    Ok(())
}

async fn accept(listener: TcpListener, seen: Arc<Mutex<Seen>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let seen = seen.clone();
                tokio::spawn(async move {
                    // A notifier that is stopped closes its connections; that is no failure.
                    let _closed = converse(stream, &seen).await;
                });
            }
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}

/// One connection, request after request.
async fn converse(mut stream: TcpStream, seen: &Mutex<Seen>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = BytesMut::with_capacity(8 * 1024);
    loop {
        let head = loop {
            if let Some(head) = Head::read(&bytes)? {
                break head;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        let whole = head.length + head.body;
        while bytes.len() < whole {
            anyhow::ensure!(stream.read_buf(&mut bytes).await? > 0, "cut off");
        }
        let came_us = now_us();
        let sent_us = sent_us(&bytes[head.length..whole]).context("no sent_us in the body")?;
        let note = || seen.lock().unwrap_or_else(PoisonError::into_inner);
        match head.path.as_str() {
            "/hang" => {
                note().hung();
                // Reads on, so that it notices when the other end gives up.
                while stream.read_buf(&mut bytes).await? > 0 {}
                return Ok(());
            }
            "/fail" => {
                note().came(came_us, sent_us);
                stream.write_all(REFUSED).await?;
            }
            "/rungs" => {
                note().rung(&head.id, came_us);
                stream.write_all(REFUSED).await?;
                note().answered(&head.id, now_us());
            }
            "/switch" => {
                note().came(came_us, sent_us);
                let status = note().switched();
                let answer = format!("HTTP/1.1 {status} As Told\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await?;
            }
            _ => {
                note().came(came_us, sent_us);
                stream.write_all(NO_CONTENT).await?;
            }
        }
        bytes.advance(whole);
    }
}

/// `{"sent_us":1700000000000000,…`.
fn sent_us(body: &[u8]) -> Option<u64> {
    let digits = body.strip_prefix(b"{\"sent_us\":")?.get(..16)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
