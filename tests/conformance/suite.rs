//! What a behaviour is, and the list of all.

use futures::future::LocalBoxFuture;

use crate::behaviours as subjects;
use crate::bench::Bench;

/// One thing that a broker does, and how to see that it does.
#[derive(Clone, Copy)]
pub(crate) struct Behaviour {
    /// `subject.name`; it never changes, since other texts point to it.
    pub(crate) id: &'static str,
    /// What Apache RocketMQ 5.5.0 does, in a sentence.
    pub(crate) says: &'static str,
    /// Why the embedded broker does otherwise on purpose; the function asserts either side.
    pub(crate) differs: Option<&'static str>,
    /// The first version of Apache RocketMQ that it may be asked of, where older ones take harm.
    pub(crate) since: Option<(u32, u32, u32)>,
    /// What it asks of the run.
    pub(crate) needs: Needs,
    pub(crate) run: fn(Bench) -> LocalBoxFuture<'static, Outcome>,
}

/// `Err` says what was seen instead.
pub(crate) type Outcome = anyhow::Result<()>;

/// What a behaviour asks of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: it runs beside the others.
    Nothing,
    /// More than 100 s, if only at times (5.5.0 on a busy machine was seen to check a half later than
    /// after 80 s): it runs with `--slow`, beside the others.
    Patience,
    /// To kill the broker or change its configuration: it runs alone, at the end, where a way to
    /// restart it is known.
    Restart,
}

/// Writes the list of a subject.
macro_rules! behaviours {
    ($($id:literal: $says:literal => $run:path $(, needs $needs:ident)? $(, since $since:expr)? $(, differs $differs:literal)?;)+) => {
        /// The behaviours of this subject.
        pub(crate) fn all() -> Vec<$crate::suite::Behaviour> {
            vec![$($crate::suite::Behaviour {
                id: $id,
                says: $says,
                differs: behaviours!(@differs $($differs)?),
                since: behaviours!(@since $($since)?),
                needs: behaviours!(@needs $($needs)?),
                run: |bench| Box::pin($run(bench)),
            }),+]
        }
    };
    (@differs) => { None };
    (@differs $differs:literal) => { Some($differs) };
    (@since) => { None };
    (@since $since:expr) => { Some($since) };
    (@needs) => { $crate::suite::Needs::Nothing };
    (@needs $needs:ident) => { $crate::suite::Needs::$needs };
}
pub(crate) use behaviours;

/// Every behaviour, in the order in which the table shows them.
pub(crate) fn all() -> Vec<Behaviour> {
    let lists = [
        subjects::metadata::all(),
        subjects::settings::all(),
        subjects::heartbeat::all(),
        subjects::route::all(),
        subjects::send::all(),
        subjects::send_limits::all(),
        subjects::transactions::all(),
        subjects::checks::all(),
        subjects::receive::all(),
        subjects::poll::all(),
        subjects::new_group::all(),
        subjects::ack::all(),
        subjects::invisible::all(),
        subjects::retry_dlq::all(),
        subjects::delay_recall::all(),
        subjects::termination::all(),
        subjects::unimplemented::all(),
        subjects::admin::all(),
        subjects::restart::all(),
    ];
    lists.into_iter().flatten().collect()
}
