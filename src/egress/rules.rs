//! Which addresses may be reached: pure, no name is looked up here.

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

use super::special;

/// What may be reached.
///
/// Without any setting: public addresses, by https. `allow` opens more, `deny` closes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Ranges that may be reached though they are not public, by plain http too: whoever runs the operator knows the way
    /// there. An address where a cloud gives out credentials, and the API server's, is opened only by an entry of exactly
    /// that address, since a range is easily wider than was meant: `100.64.0.0/10` and `fc00::/7` hold such addresses.
    pub allow: Vec<IpNet>,
    /// Ranges that may not be reached, whatever `allow` says.
    pub deny: Vec<IpNet>,
    /// Where the API server of the cluster is: an address, or a name that is not looked up here. Targets that are in the
    /// cluster's own RBAC go another way.
    pub api_server: Option<Host>,
}

/// What an address must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Public, or opened.
    Public,
    /// Opened by the operator's flags, because of this.
    Opened(Because),
}

/// Why a public address is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// Whoever listens on the way would read the credentials.
    PlainHttp,
    /// The name means something only within the cluster or the network.
    InnerName,
}

/// Why an address may not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not public; what it is.
    Special(&'static str),
    /// Credentials are given out there, or the API server is there.
    Guarded(&'static str),
    /// It is public, and that is not enough.
    NotOpened(Because),
    /// A range is closed by flag.
    Denied,
}

impl Rules {
    /// Public addresses, and these ranges.
    ///
    /// # Errors
    /// As [`range`] says.
    pub fn opening(ranges: &[&str]) -> Result<Self, String> {
        Ok(Self {
            allow: ranges.iter().map(|text| range(text)).collect::<Result<_, _>>()?,
            ..Self::default()
        })
    }

    /// Judges one address.
    ///
    /// An address that carries an IPv4 one is judged by that; entries may be written in either form.
    pub(super) fn vet(&self, address: IpAddr, reach: Reach) -> Result<(), Refusal> {
        let forms = [address, special::end(address)];
        let holds = |range: &IpNet| forms.iter().any(|form| range.contains(form));
        if self.deny.iter().any(holds) {
            return Err(Refusal::Denied);
        }
        if let Some(what) = self.guarded(forms[1]) {
            let exact = |range: &IpNet| range.prefix_len() == range.max_prefix_len() && holds(range);
            return self.allow.iter().any(exact).then_some(()).ok_or(Refusal::Guarded(what));
        }
        if self.allow.iter().any(holds) {
            return Ok(());
        }
        if let Some(what) = special::kind(address) {
            return Err(Refusal::Special(what));
        }
        match reach {
            Reach::Public => Ok(()),
            Reach::Opened(because) => Err(Refusal::NotOpened(because)),
        }
    }

    fn guarded(&self, address: IpAddr) -> Option<&'static str> {
        if special::is_metadata(address) {
            return Some("where a cloud gives out credentials of its machines");
        }
        let api_server = match self.api_server {
            Some(Host::Ipv4(four)) => Some(IpAddr::V4(four)),
            Some(Host::Ipv6(six)) => Some(IpAddr::V6(six)),
            _ => None,
        };
        (api_server.map(special::end) == Some(address)).then_some(API_SERVER)
    }

    /// Judges a URL as far as that goes without a look-up. `Ok` for a name means that its addresses are to be judged.
    ///
    /// What is judged is the host as the URL parser understood it, and as it will be connected to: `http://2130706433`,
    /// `http://0177.1` and `http://①②⑦.1` are 127.0.0.1 by then.
    ///
    /// # Errors
    /// A sentence for a person, which holds the host and nothing else of the URL.
    pub(super) fn admit(&self, url: &Url) -> Result<(), String> {
        let clear = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err("the URL is not an http or https URL: set one".to_owned()),
        };
        // Most often a host in disguise, as in https://api.example.com@10.0.0.1, and else a secret in the wrong place.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "the URL has a part before an @, where credentials stand: put those into the Secret".to_owned(),
            );
        }
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(four)) => four.into(),
            Some(Host::Ipv6(six)) => six.into(),
            Some(Host::Domain(name)) => return self.admit_name(name, clear),
            None => return Err("the URL has no host: set one".to_owned()),
        };
        self.vet(address, by_scheme(clear))
            .map_err(|refusal| refusal.sentence(&format!("{address} is"), &format!("--egress-allow {address}")))
    }

    fn admit_name(&self, name: &str, clear: bool) -> Result<(), String> {
        if let Some(Host::Domain(api_server)) = &self.api_server
            && bare(api_server).eq_ignore_ascii_case(bare(name))
        {
            return Err(format!(
                "{} is {API_SERVER}, which is never called by its address: for the cluster's own RBAC set spec.kubernetes",
                shown(name)
            ));
        }
        match reach(name, clear) {
            // Nothing could come of a look-up.
            Reach::Opened(because) if self.allow.is_empty() => Err(refused_name(name, Refusal::NotOpened(because))),
            _ => Ok(()),
        }
    }
}

const API_SERVER: &str = "the API server of this cluster";

/// What the addresses of a name must be.
pub(super) fn reach(name: &str, clear: bool) -> Reach {
    if is_inner(name) {
        Reach::Opened(Because::InnerName)
    } else {
        by_scheme(clear)
    }
}

/// What an address must be for the sake of the scheme alone.
fn by_scheme(clear: bool) -> Reach {
    if clear {
        Reach::Opened(Because::PlainHttp)
    } else {
        Reach::Public
    }
}

/// Whether a name means something only within the host, the cluster or the network: a single label, which search domains
/// complete; `localhost` (RFC 6761), `local` (RFC 6762, and the usual domain of clusters), `internal` (kept by ICANN for
/// private use; metadata.google.internal is one), `home.arpa` (RFC 8375); Services of the cluster.
///
/// Such names are not refused outright, since those of internal systems are what `allow` is for: their addresses must be
/// opened. That a name is not among these proves nothing; its addresses do.
fn is_inner(name: &str) -> bool {
    let name = bare(name).to_ascii_lowercase();
    let under = |domain: &str| {
        name.strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    !name.contains('.')
        || ["localhost", "local", "localdomain", "internal", "home.arpa", "svc"]
            .into_iter()
            .any(under)
        || name == "kubernetes.default"
        || name.starts_with("kubernetes.default.")
}

/// Without the dot at the end, by which search domains are passed over.
fn bare(name: &str) -> &str {
    name.trim_end_matches('.')
}

/// A host name in a sentence: cut where it is longer than names are.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}

/// The sentence for a name all of whose addresses are refused, the first of them like this. The address itself is left
/// out: whoever may write a target could have the network's names explored by the operator.
pub(super) fn refused_name(name: &str, refusal: Refusal) -> String {
    let name = shown(name);
    let subject = match refusal {
        Refusal::NotOpened(_) => format!("{name} is"),
        _ => format!("the address of {name} is"),
    };
    refusal.sentence(
        &subject,
        "--egress-allow and its address, which the operator's log tells,",
    )
}

impl Refusal {
    /// A sentence for a person: `subject` is what is refused, and `flag` what opens it.
    pub(super) fn sentence(self, subject: &str, flag: &str) -> String {
        let what = match self {
            Self::Special(what) => format!("{subject} {what}, and only public ones may be reached"),
            Self::Guarded(what) => {
                return format!(
                    "{subject} {what}: set another address; a flag of the operator opens this one only by an entry of exactly \
                     this address"
                );
            }
            Self::NotOpened(Because::PlainHttp) => {
                return format!(
                    "{subject} to be called by plain http, which shows the credentials to everybody on the way: set an https \
                     URL, or have the operator run with {flag} if the way there is safe"
                );
            }
            Self::NotOpened(Because::InnerName) => {
                format!("{subject} a name of the cluster or of the network, and only public ones may be reached")
            }
            Self::Denied => return format!("{subject} closed by the operator's --egress-deny: set another address"),
        };
        format!("{what}: set another, or have the operator run with {flag} if it is meant to be reached")
    }
}

/// Reads a range as the flags have it: an address, or an address and the length of its prefix (CIDR).
///
/// # Errors
/// A sentence for a person, where it is neither, or where the address has bits beyond the prefix, so that it is unclear
/// what was meant.
pub fn range(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let range: IpNet = text
        .parse()
        .map_err(|_| "write an address, as in 10.1.2.3, or a range, as in 10.1.0.0/16 or fd00:1::/32".to_owned())?;
    if range.addr() == range.network() {
        Ok(range)
    } else {
        Err(format!(
            "write {} for the range, or {} for the one address",
            range.trunc(),
            range.addr()
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rules(allow: &[&str], deny: &[&str]) -> Rules {
        let ranges = |texts: &[&str]| texts.iter().map(|text| range(text).unwrap()).collect();
        Rules {
            allow: ranges(allow),
            deny: ranges(deny),
            api_server: Some(Host::parse("10.96.0.1").unwrap()),
        }
    }

    fn vet(rules: &Rules, address: &str) -> Result<(), Refusal> {
        rules.vet(address.parse().unwrap(), Reach::Public)
    }

    fn admit(rules: &Rules, url: &str) -> Result<(), String> {
        rules.admit(&Url::parse(url).unwrap())
    }

    #[test]
    fn a_range_opens_what_it_holds_in_every_form_and_nothing_else() {
        let rules = rules(&["10.1.0.0/16", "fd00:1::/32"], &[]);
        for address in [
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "64:ff9b::10.1.2.3",
            "fd00:1::7",
            "8.8.8.8",
            "2600::1",
        ] {
            assert_eq!(vet(&rules, address), Ok(()), "{address}");
        }
        for address in ["10.2.0.1", "fd00:2::7", "::10.1.2.3", "2002:a01:203::1", "127.0.0.1"] {
            assert!(vet(&rules, address).is_err(), "{address}");
        }
    }

    #[test]
    fn metadata_and_the_api_server_are_opened_by_no_range() {
        for wide in [
            rules(&["0.0.0.0/0", "::/0"], &[]),
            rules(&["10.96.0.0/31", "169.254.169.254/31"], &[]),
        ] {
            for address in [
                "169.254.169.254",
                "::ffff:169.254.169.254",
                "10.96.0.1",
                "64:ff9b::10.96.0.1",
            ] {
                assert!(matches!(vet(&wide, address), Err(Refusal::Guarded(_))), "{address}");
            }
            assert_eq!(vet(&wide, "10.96.0.0"), Ok(()));
        }
        let exact = rules(&["10.96.0.1", "fd00:ec2::254"], &[]);
        assert_eq!(vet(&exact, "10.96.0.1"), Ok(()));
        assert_eq!(vet(&exact, "fd00:ec2::254"), Ok(()));
    }

    #[test]
    fn what_is_closed_stays_closed() {
        let rules = rules(&["10.0.0.0/8", "10.1.2.3"], &["10.1.0.0/16", "8.8.8.0/24"]);
        for address in ["10.1.2.3", "8.8.8.8", "::ffff:8.8.8.8"] {
            assert_eq!(vet(&rules, address), Err(Refusal::Denied), "{address}");
        }
        assert_eq!(vet(&rules, "10.2.0.0"), Ok(()));
    }

    #[test]
    fn plain_http_goes_only_where_the_way_was_opened() {
        let rules = rules(&["10.1.2.3"], &[]);
        assert_eq!(admit(&rules, "http://10.1.2.3/scim"), Ok(()));
        assert_eq!(admit(&rules, "https://8.8.8.8/scim"), Ok(()));
        assert_eq!(
            admit(&rules, "http://8.8.8.8/scim").unwrap_err(),
            "8.8.8.8 is to be called by plain http, which shows the credentials to everybody on the way: set an https URL, or \
             have the operator run with --egress-allow 8.8.8.8 if the way there is safe"
        );
        let address = "8.8.8.8".parse().unwrap();
        let named = |name| rules.vet(address, reach(name, true));
        assert_eq!(
            named("directory.example.com"),
            Err(Refusal::NotOpened(Because::PlainHttp))
        );
    }

    #[test]
    fn names_of_the_cluster_are_refused_unless_something_is_opened_and_then_judged_by_address() {
        for name in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "directory",
            "directory.acme.svc",
            "directory.acme.svc.cluster.local",
            "directory.acme.svc.cluster.local.",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.corp.example",
            "metadata.google.internal",
            "ip-10-0-0-1.ec2.internal",
            "printer.local",
        ] {
            let url = format!("https://{name}/x");
            let error = admit(&rules(&[], &[]), &url).unwrap_err();
            assert!(
                error.contains("a name of the cluster or of the network") && error.contains("--egress-allow"),
                "{error}"
            );
            assert_eq!(admit(&rules(&["10.1.0.0/16"], &[]), &url), Ok(()), "{name}");
            // A public address does not do for such a name.
            let public = "8.8.8.8".parse().unwrap();
            assert!(
                rules(&["10.1.0.0/16"], &[]).vet(public, reach(name, false)).is_err(),
                "{name}"
            );
        }
        for name in [
            "example.com",
            "svc.example.com",
            "local.example",
            "mylocalhost.example",
            "notinternal.com",
        ] {
            assert_eq!(reach(name, false), Reach::Public, "{name}");
        }
    }

    #[test]
    fn an_api_server_that_goes_by_a_name_is_refused_by_it() {
        let rules = Rules {
            api_server: Some(Host::parse("api.cluster.example").unwrap()),
            ..rules(&["0.0.0.0/0"], &[])
        };
        for host in ["api.cluster.example", "API.Cluster.example."] {
            let error = admit(&rules, &format!("https://{host}/")).unwrap_err();
            assert!(error.contains("the API server of this cluster"), "{error}");
        }
        assert_eq!(admit(&rules, "https://other.cluster.example/"), Ok(()));
    }

    #[test]
    fn the_sentence_says_how_to_mend_it_and_keeps_the_rest_of_the_url_to_itself() {
        let none = Rules::default();
        assert_eq!(
            admit(&none, "https://10.0.0.7/s3cr3t?s3cr3t").unwrap_err(),
            "10.0.0.7 is a private address, and only public ones may be reached: set another, or have the operator run with \
             --egress-allow 10.0.0.7 if it is meant to be reached"
        );
        assert_eq!(
            refused_name("idp.corp.example", Refusal::Special("a private address")),
            "the address of idp.corp.example is a private address, and only public ones may be reached: set another, or have \
             the operator run with --egress-allow and its address, which the operator's log tells, if it is meant to be reached"
        );
        for url in [
            "ftp://x.io/s3cr3t",
            "https://s3cr3t@x.io/",
            "https://:s3cr3t@x.io/",
            "data:s3cr3t",
        ] {
            assert!(!admit(&none, url).unwrap_err().contains("s3cr3t"), "{url}");
        }
    }

    #[test]
    fn a_flag_is_an_address_or_a_range_without_bits_beyond_its_prefix() {
        assert_eq!(range(" 10.1.2.3 ").unwrap().to_string(), "10.1.2.3/32");
        assert_eq!(range("fd00::/8").unwrap().to_string(), "fd00::/8");
        assert_eq!(
            range("10.1.2.3/8").unwrap_err(),
            "write 10.0.0.0/8 for the range, or 10.1.2.3 for the one address"
        );
        for bad in ["", "10.0.0.0/33", "10.0.0.0/", "example.com", "10/8", "010.1.2.3", "*"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
