//! Whether messages of the channel layer arrive, and what its settings mean here.

use std::time::Instant;

use super::{findings::Findings, live::took};
use crate::{
    app::try_once,
    causes::with_causes,
    channel_layer::{self, ChannelLayerOptions, LayerBackend},
    settings::Settings,
};

/// Under Channels' default, a burst of messages of this process's groups is cut off before it is read.
const SMALL_CAPACITY: usize = 1000;

pub(super) async fn check(settings: &Settings, findings: &mut Findings) {
    const PART: &str = "channel layer";
    let is_used = settings.routes.iter().any(|route| route.kind.uses_channel_layer());
    let Some(options) = &settings.channel_layer else {
        if is_used {
            Findings::note(PART, "there is none, so the answer of an asked view may name no groups");
        }
        return;
    };
    let layer = match channel_layer::open(options) {
        Ok(layer) => layer,
        Err(error) => return findings.fail(PART, &error.to_string()),
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
        Ok(took) => findings.ok(PART, &format!("{}: a message went around in {took}", described(options))),
        Err(error) if is_used => findings.fail(PART, &format!("{}: {}", described(options), with_causes(&error))),
        Err(error) => {
            let sentence = format!("{}: {}; no route uses it", described(options), with_causes(&error));
            return Findings::note(PART, &sentence);
        }
    }
    if is_used {
        if let Some(sentence) = blocked(options) {
            findings.fail(PART, &sentence);
        }
        for remark in remarks(options) {
            Findings::note(PART, &remark);
        }
    } else {
        Findings::note(PART, "no route uses it, so it is not opened");
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

/// Why nothing that is sent can arrive, though Redis answers: a round trip passes by the queues' bounds.
fn blocked(options: &ChannelLayerOptions) -> Option<String> {
    let is_full = options.capacity == 0 && options.channel_capacity.is_empty();
    (is_full && options.backend != LayerBackend::RedisPubSub).then(|| {
        "capacity = 0: every channel is full, so nothing is ever sent: `send` is ChannelFull, and `group_send` reaches \
         nobody, as with Channels. In Django's settings:\n\
         CHANNEL_LAYERS = {\"default\": {..., \"CONFIG\": {..., \"capacity\": 1500}}}"
            .to_owned()
    })
}

/// What an operator might not expect.
fn remarks(options: &ChannelLayerOptions) -> Vec<String> {
    let mut remarks = Vec::new();
    match options.backend {
        LayerBackend::InMemory => remarks.push(
            "neither Django nor another process reaches the sockets here: name one of channels_redis' layers in \
             CHANNEL_LAYERS for that"
                .to_owned(),
        ),
        LayerBackend::RedisPubSub => remarks.push(
            "pub/sub keeps nothing: what is sent while a connection to Redis is lost reaches nobody behind it"
                .to_owned(),
        ),
        LayerBackend::Redis => queue_remarks(options, &mut remarks),
    }
    remarks
}

fn queue_remarks(options: &ChannelLayerOptions, remarks: &mut Vec<String>) {
    let ChannelLayerOptions { capacity, queues, .. } = options;
    let most = capacity.saturating_mul(*queues);
    if most > 0 && most < SMALL_CAPACITY && options.channel_capacity.is_empty() {
        let what = if *queues == 1 {
            format!("capacity = {capacity}: so many messages of all groups together wait for this process")
        } else {
            format!("capacity = {capacity}: so many messages wait for this process in each of its {queues} queues")
        };
        remarks.push(format!(
            "{what}; what is sent beyond that is dropped by the sender without an error, as with Channels, such as in a \
             burst of more than {capacity} messages. The sender's setting counts, so raise it in Django's:\n\
             CHANNEL_LAYERS = {{\"default\": {{..., \"CONFIG\": {{..., \"capacity\": 1500}}}}}}\n\
             or have sluicegate read from more queues:\n\
             [channel_layer]\n\
             queues = 8"
        ));
    }
    match options.lease {
        Some(lease) if lease >= options.group_expiry => remarks.push(format!(
            "group_expiry = {} is not longer than the lease: what stays of a process that died stays for group_expiry, as \
             with lease = \"off\"",
            options.group_expiry.as_secs()
        )),
        None => remarks.push(format!(
            "lease = \"off\": a process that died stays in its groups for group_expiry, {} s, and messages are written for \
             it meanwhile",
            options.group_expiry.as_secs()
        )),
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn capacity_is_explained_where_it_is_small() {
        let options = ChannelLayerOptions::default();
        let said = remarks(&options).join("\n");
        assert!(said.contains("capacity = 100: so many messages of all groups together"), "{said}");
        assert_eq!(remarks(&ChannelLayerOptions { capacity: 1500, ..options.clone() }), Vec::<String>::new());
        assert_eq!(remarks(&ChannelLayerOptions { queues: 16, ..options }), Vec::<String>::new());
    }

    #[test]
    fn a_layer_to_which_nothing_can_be_sent_is_a_failure() {
        let none = ChannelLayerOptions { capacity: 0, ..ChannelLayerOptions::default() };
        assert!(blocked(&none).is_some_and(|sentence| sentence.starts_with("capacity = 0: every channel is full")));
        assert_eq!(remarks(&none), Vec::<String>::new());
        assert_eq!(blocked(&ChannelLayerOptions::default()), None);
        // It keeps nothing, and so has no bounds.
        assert_eq!(blocked(&ChannelLayerOptions { backend: LayerBackend::RedisPubSub, ..none }), None);
    }

    #[test]
    fn a_lease_that_does_nothing_is_said() {
        let of = |lease, group_expiry| {
            let group_expiry = Duration::from_secs(group_expiry);
            remarks(&ChannelLayerOptions { lease, group_expiry, capacity: 5000, ..ChannelLayerOptions::default() })
        };
        assert!(of(None, 60)[0].contains("a process that died stays in its groups for group_expiry, 60 s"));
        assert!(of(Some(Duration::from_mins(2)), 60)[0].starts_with("group_expiry = 60 is not longer than the lease"));
        assert_eq!(of(Some(Duration::from_mins(2)), 86400), Vec::<String>::new());
    }
}
