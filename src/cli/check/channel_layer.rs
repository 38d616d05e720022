//! Whether messages of the channel layer arrive, and what its settings mean here.

use std::time::{Duration, Instant};

use super::{code::Code, findings::Findings, took};
use crate::{
    app::try_once,
    causes::with_causes,
    channel_layer::{self, ChannelLayerOptions, LayerBackend},
    settings::Settings,
};

/// Under Channels' default, a burst of messages of this process's groups is cut off before it is read.
const SMALL_CAPACITY: usize = 1000;
/// A message that waits for a busy process, or comes from a clock that differs, is soon older.
const SHORT_EXPIRY: Duration = Duration::from_secs(10);

const SUBJECT: &str = "channel layer";

pub(super) async fn check(settings: &Settings, findings: &mut Findings) {
    let is_used = settings.routes.iter().any(|route| route.kind.uses_channel_layer());
    let Some(options) = &settings.channel_layer else {
        if is_used {
            findings.add(Code::LayerMissing, SUBJECT, "a route asks a view, and there is no channel layer");
        }
        return;
    };
    let layer = match channel_layer::open(options) {
        Ok(layer) => layer,
        Err(error) => return findings.add(Code::LayerSilent, SUBJECT, error.to_string()),
    };
    // The first one waits for the connections.
    let outcome = match try_once(layer.as_ref(), options.timeout).await {
        Ok(()) => {
            let begun = Instant::now();
            layer.round_trip().await.map(|()| took(begun))
        }
        Err(error) => Err(error),
    };
    layer.close().await;
    match outcome {
        Ok(took) => findings.ok(SUBJECT, &format!("{}: a message went around in {took}", described(options))),
        Err(error) if is_used => {
            findings.add(Code::LayerSilent, SUBJECT, format!("{}: {}", described(options), with_causes(&error)));
        }
        Err(error) => {
            let what = format!("{}: {}; no route uses it", described(options), with_causes(&error));
            return findings.add(Code::LayerUnused, SUBJECT, what);
        }
    }
    if is_used {
        remark(options, findings);
    } else {
        findings.add(Code::LayerUnused, SUBJECT, "no route uses it, so no socket is in a group");
    }
}

fn described(options: &ChannelLayerOptions) -> String {
    let (name, hosts) = match options.backend {
        LayerBackend::InMemory => return "in this process's own memory".to_owned(),
        LayerBackend::Redis => ("RedisChannelLayer", options.hosts.len().max(1)),
        LayerBackend::RedisPubSub => ("RedisPubSubChannelLayer", options.hosts.len().max(1)),
    };
    format!("{name} on {hosts} {}", if hosts == 1 { "host" } else { "hosts" })
}

/// What an operator might not expect.
fn remark(options: &ChannelLayerOptions, findings: &mut Findings) {
    match options.backend {
        LayerBackend::InMemory => {
            findings.add(Code::LayerLocal, SUBJECT, "what Django sends there reaches no socket here");
        }
        LayerBackend::RedisPubSub => {
            return findings.add(
                Code::LayerKeepsNothing,
                SUBJECT,
                "RedisPubSubChannelLayer: a message reaches who listens",
            );
        }
        LayerBackend::Redis => remark_lease(options, findings),
    }
    remark_capacity(options, findings);
    if options.expiry < SHORT_EXPIRY {
        findings.add(Code::LayerShortExpiry, SUBJECT, format!("expiry = {}", options.expiry.as_secs()));
    }
}

fn remark_capacity(options: &ChannelLayerOptions, findings: &mut Findings) {
    let ChannelLayerOptions { capacity, queues, .. } = options;
    if !options.channel_capacity.is_empty() {
        return;
    }
    if *capacity == 0 {
        // A round trip passes by the queues' bounds.
        return findings.add(Code::LayerBlocked, SUBJECT, "capacity = 0: every channel is full, though Redis answers");
    }
    if options.backend != LayerBackend::Redis || capacity.saturating_mul(*queues) >= SMALL_CAPACITY {
        return;
    }
    let what = if *queues == 1 {
        format!("capacity = {capacity}: so many messages of all groups together wait for this process")
    } else {
        format!("capacity = {capacity}: so many messages wait for this process in each of its {queues} queues")
    };
    findings.add(Code::LayerSmall, SUBJECT, format!("{what}; in a burst of more, the rest is dropped"));
}

fn remark_lease(options: &ChannelLayerOptions, findings: &mut Findings) {
    let seconds = options.group_expiry.as_secs();
    match options.lease {
        Some(lease) if lease >= options.group_expiry => {
            findings.add(Code::LeaseIdle, SUBJECT, format!("group_expiry = {seconds} is not longer than the lease"));
        }
        None => findings.add(Code::LeaseOff, SUBJECT, format!("lease = \"off\", and group_expiry = {seconds}")),
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::findings::Form;

    fn codes(options: &ChannelLayerOptions) -> Vec<&'static str> {
        let mut findings = Findings::new(Form::Json);
        remark(options, &mut findings);
        findings.codes()
    }

    #[test]
    fn capacity_is_explained_where_it_is_small() {
        let options = ChannelLayerOptions::default();
        assert_eq!(codes(&options), ["C603"]);
        assert_eq!(codes(&ChannelLayerOptions { capacity: 1500, ..options.clone() }), Vec::<&str>::new());
        assert_eq!(codes(&ChannelLayerOptions { queues: 16, ..options }), Vec::<&str>::new());
    }

    #[test]
    fn a_layer_to_which_nothing_can_be_sent_is_a_failure() {
        let none = ChannelLayerOptions { capacity: 0, ..ChannelLayerOptions::default() };
        assert_eq!(codes(&none), ["C602"]);
        // It keeps nothing, and so has no bounds.
        assert_eq!(codes(&ChannelLayerOptions { backend: LayerBackend::RedisPubSub, ..none }), ["C607"]);
    }

    #[test]
    fn a_lease_that_does_nothing_is_said() {
        let of = |lease, group_expiry| {
            let group_expiry = Duration::from_secs(group_expiry);
            codes(&ChannelLayerOptions { lease, group_expiry, capacity: 5000, ..ChannelLayerOptions::default() })
        };
        assert_eq!(of(None, 60), ["C605"]);
        assert_eq!(of(Some(Duration::from_mins(2)), 60), ["C604"]);
        assert_eq!(of(Some(Duration::from_mins(2)), 86400), Vec::<&str>::new());
    }

    #[test]
    fn messages_that_expire_soon_are_said() {
        let of = |seconds| {
            let expiry = Duration::from_secs(seconds);
            codes(&ChannelLayerOptions { expiry, capacity: 5000, ..ChannelLayerOptions::default() })
        };
        assert_eq!((of(5), of(60)), (vec!["C610"], vec![]));
    }
}
