//! What the real caches stored and read, byte for byte (`tests/vectors/tickets-*.json`).

use num_bigint::BigInt;
use serde_json::Value as Json;
use uuid::Uuid;

use super::{Compressor, KeyPattern, Serializer, pickle, value::ValueFormat};
use crate::python::Value;

fn vectors(name: &str) -> Json {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn unhex(text: &Json) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The value that a vector gives as `repr(value)`.
fn from_repr(repr: &str) -> Value {
    match repr {
        "None" => Value::None,
        "True" => Value::Bool(true),
        "False" => Value::Bool(false),
        _ => {
            let text = repr.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            let uuid = repr.strip_prefix("UUID('").and_then(|rest| rest.strip_suffix("')"));
            match (text, uuid) {
                (Some(text), _) => Value::Str(text.to_owned()),
                (_, Some(uuid)) => Value::Uuid(uuid.parse().unwrap()),
                _ if repr.contains('.') => Value::Float(repr.parse().unwrap()),
                _ => repr.parse::<BigInt>().unwrap_or_else(|_| panic!("{repr}")).into(),
            }
        }
    }
}

#[test]
fn values_are_pickled_as_cpython_does() {
    for example in vectors("tickets-decode")["encode_examples"].as_array().unwrap() {
        let value = match example["value"].as_str().unwrap() {
            "UUID" => Value::Uuid(Uuid::from_u128(0x1234_5678_90ab_4def_8000_0000_0000_0001)),
            "2^70" => Value::BigInt(BigInt::from(1_u128 << 70)),
            repr => from_repr(repr),
        };
        let protocol = u8::try_from(example["protocol"].as_u64().unwrap()).unwrap();
        assert_eq!(pickle::dumps(&value, protocol), Ok(unhex(&example["hex"])), "{example}");
    }
}

#[test]
fn stored_bytes_are_read_as_each_backend_reads_them() {
    let pickled = Serializer::Pickle { protocol: 4 };
    let formats = [
        ("django_redis_backend", ValueFormat::Django { pickle_protocol: 5 }),
        ("django_redis_pickle", ValueFormat::DjangoRedis { serializer: pickled, compressor: None }),
        ("django_redis_json", ValueFormat::DjangoRedis { serializer: Serializer::Json, compressor: None }),
        ("django_redis_msgpack", ValueFormat::DjangoRedis { serializer: Serializer::MsgPack, compressor: None }),
        ("django_redis_zlib", ValueFormat::DjangoRedis { serializer: pickled, compressor: Some(Compressor::Zlib) }),
    ];
    for case in vectors("tickets-decode")["cases"].as_array().unwrap() {
        let bytes = unhex(&case["hex"]);
        for (column, format) in formats {
            let expected = &case[column];
            let value = format.decode(&bytes).ok();
            assert_eq!(value, expected_value(expected), "{} read by {column}", case["name"]);
        }
    }
}

/// A column of `tickets-decode.json`: the value, or `None` for an error.
fn expected_value(expected: &Json) -> Option<Value> {
    let value = &expected["value"];
    let value = match expected["type"].as_str()? {
        "NoneType" => Value::None,
        "bool" => Value::Bool(value.as_bool().unwrap()),
        "int" => match value {
            Json::String(digits) => digits.parse::<BigInt>().unwrap().into(),
            number => Value::Int(number.as_i64().unwrap()),
        },
        "float" => Value::Float(value.as_f64().unwrap()),
        "str" => Value::Str(value.as_str().unwrap().to_owned()),
        "UUID" => Value::Uuid(value.as_str().unwrap().parse().unwrap()),
        other => panic!("a type that no vector had: {other}"),
    };
    Some(value)
}

/// The format of a `CACHES` entry; `None` where a setting of it is refused.
fn format(cache: &Json) -> Option<ValueFormat> {
    let option = |name: &str| cache["OPTIONS"][name].as_str().unwrap_or_default().to_owned();
    if cache["BACKEND"] == "django.core.cache.backends.redis.RedisCache" {
        return Some(ValueFormat::Django { pickle_protocol: 5 });
    }
    let serializer = match option("SERIALIZER").as_str() {
        "" => match cache["OPTIONS"]["PICKLE_VERSION"].as_i64() {
            None => Serializer::Pickle { protocol: 4 },
            Some(-1) => Serializer::Pickle { protocol: 5 },
            Some(protocol) => Serializer::Pickle { protocol: u8::try_from(protocol).unwrap() },
        },
        "django_redis.serializers.json.JSONSerializer" => Serializer::Json,
        "django_redis.serializers.msgpack.MSGPackSerializer" => Serializer::MsgPack,
        other => panic!("a serializer that no vector had: {other}"),
    };
    let compressor = match option("COMPRESSOR").as_str() {
        "" => None,
        "django_redis.compressors.zlib.ZlibCompressor" => Some(Compressor::Zlib),
        "django_redis.compressors.gzip.GzipCompressor" => Some(Compressor::Gzip),
        "django_redis.compressors.zstd.ZStdCompressor" => Some(Compressor::Zstd),
        "django_redis.compressors.lz4.Lz4Compressor" => Some(Compressor::Lz4),
        "django_redis.compressors.lzma.LzmaCompressor" => return None,
        other => panic!("a compressor that no vector had: {other}"),
    };
    Some(ValueFormat::DjangoRedis { serializer, compressor })
}

/// Cases that no cache of ours meets, because the settings are refused when they are read.
const REFUSED_SETTINGS: [&str; 1] = ["lzma"];

#[test]
fn redis_holds_what_python_stored() {
    for case in vectors("tickets-redis")["cases"].as_array().unwrap() {
        let (name, cache) = (case["name"].as_str().unwrap(), &case["cache"]);
        let Some(format) = format(cache) else {
            assert!(REFUSED_SETTINGS.iter().any(|word| cache.to_string().contains(word)), "{name}");
            continue;
        };
        let value = from_repr(case["user_id_python"].as_str().unwrap());
        let Some(stored) = case["stored"].as_array().and_then(|stored| stored.first()) else {
            assert!(format.encode(&value).is_err(), "{name}: Python stored nothing");
            continue;
        };
        let bytes = unhex(&stored["value_hex"]);
        let (ours, compressed) = (format.encode(&value).unwrap(), case.get("compressed").is_some());
        if compressed && ours != bytes {
            // Any stream that holds the same bytes will do.
            assert!(ours.len() > 15, "{name}");
        } else {
            assert_eq!(ours, bytes, "{name}");
        }
        let read = match (&value, cache["OPTIONS"]["SERIALIZER"].as_str()) {
            (Value::Uuid(uuid), Some(json)) if json.contains("json") => Value::Str(uuid.hyphenated().to_string()),
            _ => value,
        };
        assert_eq!(format.decode(&bytes), Ok(read.clone()), "{name}: what Python wrote");
        assert_eq!(format.decode(&ours), Ok(read), "{name}: what we wrote");

        let pattern = KeyPattern {
            prefix: cache["KEY_PREFIX"].as_str().unwrap_or_default().to_owned(),
            version: match &cache["VERSION"] {
                Json::Null => "1".to_owned(),
                Json::String(text) => text.clone(),
                number => number.to_string(),
            },
            ..KeyPattern::default()
        };
        if cache.get("KEY_FUNCTION").is_none() {
            assert_eq!(pattern.make(case["ticket"].as_str().unwrap()), stored["key"].as_str().unwrap(), "{name}");
        }
    }
}
