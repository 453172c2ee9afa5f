//! Blocks of addresses: `10.0.0.0/16`.

use std::net::IpAddr;

/// Whether all addresses of the inner block are in the outer one; what is no block holds nothing.
pub(super) fn holds(outer: &str, inner: &str) -> bool {
    let (Some((outer, few)), Some((inner, many))) = (block(outer), block(inner)) else {
        return false;
    };
    few <= many && head(outer, few) == head(inner, few) && outer.is_ipv4() == inner.is_ipv4()
}

/// Whether it is every address there is.
pub(super) fn is_everybody(block: &str) -> bool {
    matches!(block, "0.0.0.0/0" | "::/0")
}

/// The address with this number in a block, counted from its beginning, and from its end where it is negative.
pub(super) fn nth(text: &str, number: i64) -> Option<IpAddr> {
    let (IpAddr::V4(address), bits) = block(text)? else { return None };
    let size = 1_i64 << (32 - bits);
    let place = if number < 0 { size + number } else { number };
    let first = head(IpAddr::V4(address), bits);
    let whole = u32::try_from(first).ok()?.checked_add(u32::try_from(place).ok()?)?;
    Some(IpAddr::V4(whole.into()))
}

fn block(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
    let most = if address.is_ipv4() { 32 } else { 128 };
    (bits <= most).then_some((address, bits))
}

/// The first so many bits of an address, the others zero.
fn head(address: IpAddr, bits: u32) -> u128 {
    let (whole, of) = match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let rest = of - bits;
    whole.checked_shr(rest).unwrap_or(0).checked_shl(rest).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{holds, nth};

    #[test]
    fn a_block_holds_itself_and_what_is_smaller_and_nothing_beside() {
        for (outer, inner, held) in [
            ("10.0.0.0/16", "10.0.10.0/24", true),
            ("10.0.10.0/24", "10.0.10.0/24", true),
            ("10.0.10.0/24", "10.0.0.0/16", false),
            ("10.0.10.0/24", "10.0.11.0/24", false),
            ("0.0.0.0/0", "10.0.10.0/24", true),
            ("::/0", "10.0.10.0/24", false),
            ("fd00::/8", "fd00:ec2::/64", true),
            ("10.0.0.0", "10.0.0.0/24", false),
            ("10.0.0.0/40", "10.0.0.0/24", false),
        ] {
            assert_eq!(holds(outer, inner), held, "{outer} {inner}");
        }
    }

    #[test]
    fn addresses_are_counted_from_both_ends() {
        let text = |number| nth("10.0.10.0/24", number).map(|address| address.to_string());
        assert_eq!(text(0).as_deref(), Some("10.0.10.0"));
        assert_eq!(text(3).as_deref(), Some("10.0.10.3"));
        assert_eq!(text(-1).as_deref(), Some("10.0.10.255"));
        assert_eq!(nth("fd00::/8", 1), None);
    }
}
