use std::sync::Arc;

use bytes::Bytes;
use notification::{DeadReason, EndpointId};
use tokio::sync::oneshot;

use super::*;
use crate::copy::tests::copy;
use crate::record::entry::{Entry, Event, Row};

fn task(bytes: usize) -> Task {
    let mut copy = copy();
    copy.content.body = Bytes::from(vec![0; bytes]);
    Task::Write {
        entry: Entry {
            copy: Arc::new(copy),
            endpoint: EndpointId::new("bank2").unwrap(),
            attempts_before: 0,
            row: Row::Absent,
            event: Event::Died(DeadReason::Malformed),
        },
        done: oneshot::channel().0,
    }
}

#[test]
fn a_flush_ends_where_its_bodies_become_too_many_bytes_but_holds_at_least_one() {
    let mut waiting: VecDeque<Task> = [MOST_BYTES / 2, MOST_BYTES / 2, 1, MOST_BYTES + 1, 5]
        .map(task)
        .into();
    let mut sizes = Vec::new();
    while !waiting.is_empty() {
        sizes.push(within_bytes(&mut waiting).len());
    }
    assert_eq!(sizes, [2, 1, 1, 1]);
}
