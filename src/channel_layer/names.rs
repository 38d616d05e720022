//! Names of channels and groups. Matches channels 4.3, layers.py, `BaseChannelLayer`.

use super::ChannelLayerError;
use crate::python::int_from_str;

/// `MAX_NAME_LENGTH`: names are shorter than this, in characters.
const MAX_LENGTH: usize = 100;

/// `require_valid_channel_name`.
///
/// # Errors
///
/// [`ChannelLayerError::InvalidName`] where Channels raises `TypeError`.
pub(super) fn require_valid_channel_name(name: &str) -> Result<(), ChannelLayerError> {
    let (public, local) = body(name).split_once('!').unwrap_or((body(name), ""));
    let is_valid = is_short(name) && is_word(public) && local.chars().all(is_local);
    if is_valid { Ok(()) } else { Err(ChannelLayerError::InvalidName { kind: "Channel" }) }
}

/// `require_valid_group_name`.
///
/// # Errors
///
/// [`ChannelLayerError::InvalidName`] where Channels raises `TypeError`.
pub(super) fn require_valid_group_name(name: &str) -> Result<(), ChannelLayerError> {
    let is_valid = is_short(name) && is_word(body(name));
    if is_valid { Ok(()) } else { Err(ChannelLayerError::InvalidName { kind: "Group" }) }
}

/// Whether a consumer can have a handler of an event of this type. Matches channels 4.3, consumer.py: `get_handler_name`
/// refuses a leading underscore, which a `.` becomes too, and `dispatch` finds no handler without a name.
pub(crate) fn is_valid_event_type(event_type: &str) -> bool {
    !event_type.is_empty() && !event_type.starts_with(['_', '.'])
}

/// `non_local_name`: up to and including the `!`; all of it where there is none.
pub(super) fn non_local_name(name: &str) -> &str {
    name.find('!').map_or(name, |at| &name[..=at])
}

/// Without a last line end, before which Python's `$` matches, too.
fn body(name: &str) -> &str {
    name.strip_suffix('\n').unwrap_or(name)
}

fn is_short(name: &str) -> bool {
    name.len() < MAX_LENGTH || name.chars().count() < MAX_LENGTH
}

/// `[a-zA-Z\d\-_.]+`, where `\d` is every decimal digit of Unicode.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| is_ascii(c) || (!c.is_ascii() && is_digit(c)))
}

/// `[\d\w\-_.]`, where `\w` is every letter and number of Unicode.
fn is_local(c: char) -> bool {
    is_ascii(c) || (!c.is_ascii() && c.is_alphanumeric())
}

const fn is_ascii(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Category Nd, which is what `int()` takes.
fn is_digit(c: char) -> bool {
    c.is_numeric() && int_from_str(c.encode_utf8(&mut [0; 4])).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel_layer::tests::vectors;

    #[test]
    fn names_are_valid_where_channels_takes_them() {
        for case in vectors("names")["cases"].as_array().unwrap() {
            let (name, valid) = (case["value"].as_str().unwrap(), case["valid"].as_bool().unwrap());
            let answer = match case["kind"].as_str().unwrap() {
                "channel" => require_valid_channel_name(name).is_ok(),
                "group" => require_valid_group_name(name).is_ok(),
                // Nothing here is asked to receive on a channel by its whole name: that is the receiver's own affair.
                "channel-receive" => non_local_name(name) == name,
                other => panic!("a kind that no vector had: {other}"),
            };
            assert_eq!(answer, valid, "{case}");
        }
    }

    #[test]
    fn python_s_regular_expressions_take_more_than_the_message_says() {
        for name in ["a\n", "٣", "a!é", "a!\n", "a!²", "a!Ⅷ", "a!½"] {
            assert!(require_valid_channel_name(name).is_ok(), "{name:?}");
        }
        for name in ["²", "a!b!c", "!a", "a!!", "a\n\n", "", "\n", &"a".repeat(100), &"٣".repeat(100)] {
            assert!(require_valid_channel_name(name).is_err(), "{name:?}");
        }
        assert!(require_valid_channel_name(&"٣".repeat(99)).is_ok());
        assert!(require_valid_group_name("٣\n").is_ok() && require_valid_group_name("a!").is_err());
    }

    #[test]
    fn an_event_that_no_consumer_can_handle_has_no_valid_type() {
        for event_type in ["", "_a", ".a", "_", "."] {
            assert!(!is_valid_event_type(event_type), "{event_type:?}");
        }
        assert!(is_valid_event_type("chat.message") && is_valid_event_type("a_") && is_valid_event_type(" "));
    }

    #[test]
    fn a_refusal_is_in_channels_words() {
        let error = require_valid_channel_name("a b").unwrap_err();
        assert_eq!(
            error.to_string(),
            "Channel name must be a valid unicode string with length < 100 containing only ASCII alphanumerics, hyphens, \
             underscores, or periods."
        );
    }
}
