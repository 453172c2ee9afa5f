//! EC2's DescribeRegions: those that the account has enabled, and with `AllRegions` the others, too.

use super::xml::Xml;
use super::{Answer, Ask};
use crate::realm::Realm;

pub(super) fn describe_regions(realm: &Realm, ask: &Ask) -> Answer {
    let own = realm.config().region.as_str();
    let mut regions: Vec<(&str, &str)> =
        ENABLED.iter().map(|name| (*name, "opt-in-not-required")).collect();
    if !ENABLED.contains(&own) {
        regions.push((own, "opted-in"));
    }
    if ask.flag("AllRegions") {
        regions.extend(OTHERS.iter().map(|name| (*name, "not-opted-in")));
    }
    let wanted = ask.members("RegionName");
    regions.retain(|(name, _)| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name));
    let shape = |(name, status): &(&str, &str)| {
        Xml::new()
            .leaf("regionName", name)
            .leaf("regionEndpoint", format!("ec2.{name}.amazonaws.com"))
            .leaf("optInStatus", status)
    };
    Answer::Xml(Xml::new().list("regionInfo", "item", regions.iter().map(shape)).finish())
}

/// Whether the account has a region, and has not to ask for it.
pub(crate) fn is_enabled(realm: &Realm, region: &str) -> bool {
    ENABLED.contains(&region) || realm.config().region == region
}

/// Some of those that every account has.
const ENABLED: [&str; 4] = ["ap-northeast-1", "eu-central-1", "us-east-1", "us-west-2"];
/// Some of those that an account has to ask for.
const OTHERS: [&str; 2] = ["ap-east-1", "me-south-1"];
