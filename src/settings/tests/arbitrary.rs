//! Whatever files, documents and variables hold, settings are read without a panic.

use proptest::prelude::*;
use serde_json::Value;

use super::{super::key::KEYS, DOCUMENT, Given};

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::collection::vec("\\PC{0,6}", 0..3).prop_map(Value::from),
        Just(serde_json::json!([{"kind": "other", "host": "h", "sentinel": true}])),
    ]
}

/// The value at the `index`th place of the tree, counted through.
fn place(value: &mut Value, index: &mut usize, new: &Value) {
    if *index == 0 {
        *value = new.clone();
    }
    *index = index.wrapping_sub(1);
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| place(value, index, new)),
        Value::Object(members) => members.values_mut().for_each(|value| place(value, index, new)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_as_a_file(text in "\\PC*") {
        Given { toml: Some(&text), ..Given::default() }.read();
    }

    #[test]
    fn any_value_for_any_setting(index in 0..KEYS.len(), value in leaf(), text in "\\PC{0,20}") {
        let key = &KEYS[index];
        let toml = toml::to_string(&serde_json::json!({ key.section(): { key.name(): value } })).unwrap_or_default();
        let variable = format!("SLUICEGATE__{}", key.path.to_uppercase().replace('.', "__"));
        let environment = [(variable.as_str(), text.as_str())];
        Given { toml: Some(&toml), environment: &environment, ..Given::default() }.read();
    }

    #[test]
    fn any_value_anywhere_in_the_document(index in 0..400_usize, value in leaf()) {
        let mut document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let mut index = index;
        place(&mut document, &mut index, &value);
        let toml = "[[route]]\npath = \"ws/\"\n";
        Given { toml: Some(toml), document: Some(document.to_string()), ..Given::default() }.read();
    }
}
