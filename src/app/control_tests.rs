//! What travels over the control socket has the shape it is checked against.

use nanoserde::{DeBin, SerBin};

use super::*;
use crate::bus::Address;
use crate::proto::binschema;
use crate::tool::cron_handle::CronRequest;

#[track_caller]
fn check<T: SerBin + DeBin + std::fmt::Debug>(shape: &str, value: &T) {
    let bytes = value.serialize_bin();
    let again = binschema::decode::<T>(shape, &bytes).expect("its shape");
    assert_eq!(format!("{again:?}"), format!("{value:?}"));
    for cut in 0..bytes.len() {
        assert!(binschema::decode::<T>(shape, &bytes[..cut]).is_none(), "cut at {cut}");
    }
    for at in 0..bytes.len().saturating_sub(8) {
        let mut wrong = bytes.clone();
        wrong[at..at + 8].fill(0x7f);
        let _ = binschema::decode::<T>(shape, &wrong);
    }
}

#[test]
fn shapes_are_those_of_the_types() {
    let channel =
        ChannelReport { name: "t".into(), pairing_code: "x".into(), ..Default::default() };
    let task = TaskReport { name: "control".into(), restarts: 3, ..Default::default() };
    check(GatewayReport::SHAPE, &GatewayReport::default());
    check(
        GatewayReport::SHAPE,
        &GatewayReport {
            version: "v".into(),
            channels: vec![channel.clone(), channel],
            tasks: vec![task],
            tokens: vec!["m: 3 %".into()],
            listening: vec!["a".into(), "b".into()],
            tools: "caged".into(),
            failing: vec!["s.jsonl: a folder".into()],
            ..GatewayReport::default()
        },
    );
    check(ControlReply::SHAPE, &ControlReply { ok: true, text: "done".into() });
    let to = Address { chat: "5".into(), ..Address::default() };
    let order = CronRequest { id: "job".into(), deliver: Some(true), to, ..CronRequest::default() };
    check(CronRequest::SHAPE, &order);
    check(CronRequest::SHAPE, &CronRequest { deliver: None, ..order });
}
