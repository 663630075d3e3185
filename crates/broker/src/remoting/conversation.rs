//! One connection: requests and their answers, in order.
//!
//! A connection takes one of few places, so it has to earn it: a request comes whole within
//! [`REQUEST`] of the answer before it, however its bytes trickle, and its answer is taken within
//! [`ANSWER`]. No request needs more than [`MAX_REQUEST`] bytes.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use rocketmq_wire::remoting::Frame;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// Until the next request is there as a whole.
const REQUEST: Duration = Duration::from_secs(60);
/// Until the peer has taken an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// The largest request; answers may be larger.
const MAX_REQUEST: usize = 256 * 1024;
/// A request that wants no answer.
const ONE_WAY: i32 = 2;

/// Answers one connection's requests until its peer closes it.
///
/// # Errors
/// When the connection broke, brought no frame, or one of its deadlines is over.
pub(super) async fn converse<A: Future<Output = Frame>>(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: impl Fn(Frame) -> A,
) -> io::Result<()> {
    let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
    while let Some(request) = timeout(REQUEST, next(&mut stream, &mut incoming)).await?? {
        let silent = request.flag & ONE_WAY != 0 || request.is_response();
        let reply = answer(request).await;
        if !silent {
            reply.encode(&mut outgoing).map_err(io::Error::other)?;
            timeout(ANSWER, stream.write_all_buf(&mut outgoing)).await??;
        }
    }
    Ok(())
}

/// The next request; nothing when the peer has closed the connection.
async fn next(
    stream: &mut (impl AsyncRead + Unpin),
    incoming: &mut BytesMut,
) -> io::Result<Option<Frame>> {
    loop {
        let request = Frame::decode_within(incoming, MAX_REQUEST).map_err(io::Error::other)?;
        if request.is_some() || stream.read_buf(incoming).await? == 0 {
            return Ok(request);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::io::duplex;
    use tokio::time::{Instant, sleep};

    use super::*;

    /// An answer with a body of `bytes`.
    fn of_size(bytes: usize) -> impl Fn(Frame) -> std::future::Ready<Frame> {
        move |request| {
            std::future::ready(Frame {
                body: vec![0; bytes].into(),
                ..request.response(0, None)
            })
        }
    }

    fn request(body: usize) -> BytesMut {
        let mut bytes = BytesMut::new();
        let request = Frame {
            body: vec![0; body].into(),
            ..Frame::request(1, 1)
        };
        request.encode(&mut bytes).unwrap();
        bytes
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_take_the_answer_loses_the_connection() {
        let (mut client, server) = duplex(1024);
        client.write_all(&request(0)).await.unwrap();
        let begin = Instant::now();
        let ended = timeout(REQUEST * 10, converse(server, of_size(4096)));
        let error = ended.await.expect("it ends").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(begin.elapsed() <= ANSWER * 2, "{:?}", begin.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_trickles_in_is_not_waited_for_longer_than_a_silent_one() {
        let (mut client, server) = duplex(1024);
        let trickle = async {
            for byte in request(0) {
                client.write_all(&[byte]).await.unwrap();
                sleep(REQUEST / 2).await;
            }
        };
        let begin = Instant::now();
        let error = tokio::select! {
            ended = converse(server, of_size(0)) => ended.unwrap_err(),
            () = trickle => panic!("it was waited for"),
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(begin.elapsed(), REQUEST);
    }

    #[tokio::test]
    async fn a_request_beyond_the_limit_is_refused_when_it_is_announced() {
        let (mut client, server) = duplex(1024);
        let announced = u32::try_from(MAX_REQUEST + 1).unwrap();
        client.write_all(&announced.to_be_bytes()).await.unwrap();
        let ended = timeout(REQUEST / 2, converse(server, of_size(0)));
        let error = ended.await.expect("the rest is not awaited").unwrap_err();
        assert!(error.to_string().contains("262144"), "{error}");
    }

    #[tokio::test]
    async fn requests_are_answered_until_the_peer_is_done() {
        let (mut client, server) = duplex(1 << 20);
        for _ in 0..3 {
            client.write_all(&request(100)).await.unwrap();
        }
        client.shutdown().await.unwrap();
        converse(server, of_size(10)).await.unwrap();
        let mut answers = BytesMut::new();
        while client.read_buf(&mut answers).await.unwrap() > 0 {}
        for _ in 0..3 {
            assert!(Frame::decode(&mut answers).unwrap().is_some());
        }
        assert!(answers.is_empty());
    }
}
