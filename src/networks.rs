//! Networks of addresses, as `[limits] trusted_proxies` lists them.

use std::net::IpAddr;

/// Whether one of `networks` (an address and how many of its bits count) holds `address`.
pub(crate) fn hold(networks: &[(IpAddr, u8)], address: IpAddr) -> bool {
    networks.iter().any(|&network| contains(network, address.to_canonical()))
}

fn contains((network, prefix): (IpAddr, u8), address: IpAddr) -> bool {
    match (network.to_canonical(), address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_held_by_its_network_in_either_spelling() {
        let networks = [("10.0.0.0", 8), ("::1", 128), ("::ffff:192.168.0.0", 16)];
        let networks: Vec<_> = networks.iter().map(|(network, bits)| (network.parse().unwrap(), *bits)).collect();
        for (address, held) in [
            ("10.255.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("11.0.0.1", false),
            ("::1", true),
            ("::2", false),
            ("192.168.3.4", true),
        ] {
            assert_eq!(hold(&networks, address.parse().unwrap()), held, "{address}");
        }
    }
}
