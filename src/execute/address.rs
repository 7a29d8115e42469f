//! Which addresses may be called, judged where the connection is made. INVARIANT i23.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Who can stand behind an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Anybody on the internet.
    Public,
    /// Somebody on this machine or network.
    Private,
    /// Nobody that an action is meant for: metadata services, multicast, reserved blocks.
    Never,
}

impl Reach {
    /// Whether a call may go there.
    pub(super) fn allowed(self, allow_private: bool) -> bool {
        match self {
            Self::Public => true,
            Self::Private => allow_private,
            Self::Never => false,
        }
    }
}

/// An address that may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{address}` is not an address that this action may call; `allow_private: true` in the catalog allows private ones"
)]
pub(super) struct Refused {
    address: IpAddr,
}

/// Refuses an address that may not be called.
pub(super) fn check(address: IpAddr, allow_private: bool) -> Result<(), Refused> {
    if reach(address).allowed(allow_private) {
        Ok(())
    } else {
        Err(Refused { address })
    }
}

/// Judges an address; an IPv4 address inside an IPv6 one is judged as itself.
pub(super) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => reach_v6(ip),
    }
}

/// IANA's special-purpose registry (RFC 6890), and the metadata services that live outside it.
fn reach_v4(ip: Ipv4Addr) -> Reach {
    // Azure's and Alibaba's metadata services look like ordinary addresses.
    const METADATA: [[u8; 4]; 2] = [[168, 63, 129, 16], [100, 100, 100, 200]];
    let [a, b, c, _] = ip.octets();
    if METADATA.contains(&ip.octets()) {
        return Reach::Never;
    }
    match (a, b, c) {
        (0, _, _) | (169, 254, _) | (192, 0, 0) | (192, 0, 2) | (192, 88, 99) => Reach::Never,
        (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) | (224..=255, _, _) => Reach::Never,
        (10 | 127, _, _) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Reach::Private,
        _ => Reach::Public,
    }
}

/// Only global unicast is public; every way to write an IPv4 address in IPv6 is undone first.
fn reach_v6(ip: Ipv6Addr) -> Reach {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let embedded = |high: u16, low: u16| {
        let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
        reach_v4(Ipv4Addr::new(w, x, y, z))
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0) if (g, h) == (0, 1) => Reach::Private,
        // Mapped (RFC 4291), translated (RFC 2765) and NAT64 (RFC 6052).
        (0, 0, 0, 0, 0, 0xffff) | (0, 0, 0, 0, 0xffff, 0) | (0x64, 0xff9b, 0, 0, 0, 0) => embedded(g, h),
        // 6to4 (RFC 3056): never better than the address inside.
        (0x2002, high, low, ..) => match embedded(high, low) {
            Reach::Public => Reach::Public,
            Reach::Private | Reach::Never => Reach::Never,
        },
        // Teredo, documentation and the rest of IETF's special block.
        (0x2001, 0..=0x1ff | 0xdb8, ..) | (0x3fff, 0..=0x0fff, ..) => Reach::Never,
        // ISATAP (RFC 5214) carries an IPv4 address at its end.
        (_, _, _, _, 0 | 0x200, 0x5efe) => Reach::Never,
        (0x2000..=0x3fff, ..) => Reach::Public,
        // AWS's and Google's metadata services live among the local addresses.
        (0xfd00, 0x0ec2, ..) | (0xfd20, 0x00ce, ..) => Reach::Never,
        (0xfc00..=0xfdff, ..) => Reach::Private,
        _ => Reach::Never,
    }
}

/// How names become addresses.
pub(super) type Lookup = Arc<dyn Fn(String) -> Looking + Send + Sync>;
/// Addresses being looked up.
pub(super) type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// The operating system's resolver.
pub(super) fn system() -> Lookup {
    Arc::new(|host| Box::pin(async move { Ok(tokio::net::lookup_host((host.as_str(), 0)).await?.collect()) }))
}

/// Resolves a name and refuses it whole when any of its addresses may not be called. The connection is made to the
/// very addresses judged here, so a name that answers differently the second time (DNS rebinding) gains nothing.
pub(super) struct Guard {
    lookup: Lookup,
    allow_private: bool,
}

impl Guard {
    pub(super) fn new(lookup: Lookup, allow_private: bool) -> Self {
        Self {
            lookup,
            allow_private,
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let looking = (self.lookup)(name.as_str().to_owned());
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = looking.await?;
            for address in &found {
                check(address.ip(), allow_private)?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Reach {
        reach(text.parse().unwrap())
    }

    #[test]
    fn i23_only_what_anybody_can_reach_is_public() {
        for public in [
            "1.1.1.1",
            "93.184.216.34",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
        ] {
            assert_eq!(judged(public), Reach::Public, "{public}");
        }
        for private in [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fc00::1",
            "fd12:3456::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "::ffff:0:7f00:1",
        ] {
            assert_eq!(judged(private), Reach::Private, "{private}");
        }
        for never in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "192.0.2.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::127.0.0.1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::",
            "2001::1",
            "2001:db8::1",
            "100::1",
            "2606:4700::5efe:7f00:1",
        ] {
            assert_eq!(judged(never), Reach::Never, "{never}");
        }
    }

    #[tokio::test]
    async fn i23_a_name_with_one_bad_address_is_refused_whole() {
        let resolve = |answers: &'static [&'static str], allow_private| async move {
            let lookup: Lookup = Arc::new(move |_| {
                let found = answers.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0));
                let found = found.collect();
                Box::pin(async move { Ok(found) })
            });
            let guard = Guard::new(lookup, allow_private);
            guard.resolve("target.example".parse().unwrap()).await.is_ok()
        };
        assert!(resolve(&["1.1.1.1"], false).await);
        assert!(!resolve(&["1.1.1.1", "127.0.0.1"], false).await);
        assert!(!resolve(&["::ffff:10.0.0.1"], false).await);
        assert!(resolve(&["127.0.0.1"], true).await);
        assert!(!resolve(&["169.254.169.254"], true).await);
    }
}
