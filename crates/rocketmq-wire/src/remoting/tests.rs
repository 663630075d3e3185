//! Requests and answers from strangers: any frame is read or refused, and what is refused is named.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::soak::cases;

/// Names that readers look for, with values that may suit.
fn any_fields() -> impl Strategy<Value = BTreeMap<String, String>> {
    let name = proptest::sample::select(vec![
        "topic",
        "attributes",
        "readQueueNums",
        "writeQueueNums",
        "queueId",
        "queueOffset",
        "maxMsgNums",
        "consumerGroup",
        "setZeroIfNotFound",
        "offset",
        "nextBeginOffset",
        "minOffset",
        "maxOffset",
        "commitOffset",
    ]);
    let value = prop_oneof!["\\PC{0,8}", any::<i64>().prop_map(|n| n.to_string())];
    proptest::collection::btree_map(name.prop_map(str::to_owned), value, 0..14)
}

/// Bodies that are nearly what readers look for.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let piece = proptest::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "0",
        "-1",
        "1e99",
        "null",
        "true",
        "\"\"",
        "\"a\"",
        "a=b\n",
        "\"topicConfigTable\":",
        "\"subscriptionGroupTable\":",
        "\"brokerAddrTable\":",
        "\"brokerAddrs\":",
        "\"brokerName\":",
        "\"queueDatas\":",
        "\"brokerDatas\":",
        "\"groupName\":",
        "\"groupRetryPolicy\":",
        "\"customizedRetryPolicy\":",
        "\"next\":",
        "\"attributes\":",
        "\"perm\":",
        "\"table\":",
        "\u{7f}",
    ]);
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(256)))]

    #[test]
    fn any_frame_is_read_or_refused_with_the_field(
        code in -1..210, ext_fields in any_fields(), body in any_body()
    ) {
        let frame = Frame { code, ext_fields, body: body.into(), ..Frame::default() };
        let refusals = [
            CreateTopic::from_frame(&frame).err(),
            CreateGroup::from_frame(&frame).err(),
            TopicList::from_frame(&frame).err(),
            GroupList::from_frame(&frame).err(),
            RouteRequest::from_frame(&frame).err(),
            RouteAnswer::from_frame(&frame).err(),
            ClusterAnswer::from_frame(&frame).err(),
            OffsetRequest::from_frame(&frame).err(),
            ConsumerOffsetRequest::from_frame(&frame).err(),
            SetConsumerOffset::from_frame(&frame).err(),
            offset(&frame).err(),
            PullRequest::from_frame(&frame).err(),
            PullAnswer::from_frame(&frame).err(),
            read_settings(&frame).err(),
            RuntimeInfo::from_frame(&frame).err(),
        ];
        for refusal in refusals.into_iter().flatten() {
            prop_assert!(!refusal.field.is_empty() && !refusal.reason.is_empty());
        }
    }
}
