//! Which of several hosts a name belongs to. Matches channels_redis 4.3, utils.py, `_consistent_hash`.

/// `_consistent_hash(name, hosts)`.
pub(super) fn consistent_hash(name: &str, hosts: usize) -> usize {
    if hosts <= 1 {
        return 0;
    }
    let mut crc = flate2::Crc::new();
    crc.update(name.as_bytes());
    let place = crc.sum() & 0xfff;
    #[expect(clippy::cast_precision_loss, reason = "Python's division, in the same doubles")]
    let index = f64::from(place) / (4096.0 / hosts as f64);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to hosts, as int() does it")]
    let index = index as usize;
    index.min(hosts - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel_layer::tests::vectors;

    #[test]
    fn names_belong_to_the_hosts_that_channels_redis_finds() {
        for case in vectors("sharding")["cases"].as_array().unwrap() {
            for (hosts, index) in case["ring"].as_object().unwrap() {
                let found = consistent_hash(case["name"].as_str().unwrap(), hosts.parse().unwrap());
                assert_eq!(found as u64, index.as_u64().unwrap(), "{case} {hosts}");
            }
        }
    }
}
