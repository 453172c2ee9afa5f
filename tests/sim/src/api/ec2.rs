//! EC2, as far as it is asked: subnets, security groups, VPCs, and what leads out of them.

mod ways_out;

use super::ask::page;
use super::xml::Xml;
use super::{Answer, Ask, AwsError};
use crate::realm::Realm;
use crate::world::{Rule, SecurityGroup, Subnet, Tags, Vpc};

pub(super) fn act(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    match ask.action.as_str() {
        "DescribeSubnets" => describe_subnets(realm, ask),
        "DescribeSecurityGroups" => describe_security_groups(realm, ask),
        "DescribeRegions" => Ok(super::regions::describe_regions(realm, ask)),
        "DescribeVpcs" => describe_vpcs(realm, ask),
        "DescribeVpcAttribute" => ways_out::describe_vpc_attribute(realm, ask),
        "DescribeRouteTables" => ways_out::describe_route_tables(realm, ask),
        "DescribeNatGateways" => ways_out::describe_nat_gateways(realm, ask),
        "DescribeVpcEndpoints" => ways_out::describe_vpc_endpoints(realm, ask),
        other => Err(AwsError::new(
            "InvalidAction",
            format!("The action {other} is not valid for this web service."),
        )),
    }
}

fn describe_subnets(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let all: Vec<(String, Subnet)> =
        realm.world(|world| world.subnets.clone()).into_iter().collect();
    let kept = kept(ask, ("SubnetId", "InvalidSubnetID.NotFound", "subnet ID"), all)?;
    let filters = Filter::all(ask);
    let mut fitting = Vec::new();
    for (id, subnet) in kept {
        if fits(&filters, &subnet.tags, |name| {
            Some(match name {
                "subnet-id" => id.clone(),
                "vpc-id" => subnet.vpc.clone(),
                "availability-zone" | "availabilityZone" => subnet.zone.clone(),
                "cidr-block" | "cidrBlock" | "cidr" => subnet.cidr.clone(),
                "state" => "available".to_owned(),
                _ => return None,
            })
        })? {
            fitting.push((id, subnet));
        }
    }
    let account = realm.config().account.clone();
    paged(realm, ask, fitting, "subnetSet", |(id, subnet)| {
        Xml::new()
            .leaf("subnetId", id)
            .leaf("subnetArn", realm.arn("ec2", &format!("subnet/{id}")))
            .leaf("state", "available")
            .leaf("ownerId", &account)
            .leaf("vpcId", &subnet.vpc)
            .leaf("cidrBlock", &subnet.cidr)
            .group("ipv6CidrBlockAssociationSet", Xml::new())
            .leaf("assignIpv6AddressOnCreation", false)
            .leaf("availableIpAddressCount", subnet.free)
            .leaf("availabilityZone", &subnet.zone)
            .leaf("defaultForAz", false)
            .leaf("mapPublicIpOnLaunch", false)
            .group("tagSet", tag_set(&subnet.tags))
    })
}

fn describe_security_groups(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let all: Vec<(String, SecurityGroup)> =
        realm.world(|world| world.security_groups.clone()).into_iter().collect();
    let kept = kept(ask, ("GroupId", "InvalidGroup.NotFound", "security group"), all)?;
    let names = ask.members("GroupName");
    if !names.is_empty() {
        let text = "GroupName may be used for groups of a default VPC only; this account has none.";
        return Err(AwsError::new("InvalidParameterValue", text));
    }
    let filters = Filter::all(ask);
    let mut fitting = Vec::new();
    for (id, group) in kept {
        if fits(&filters, &group.tags, |name| {
            Some(match name {
                "group-id" => id.clone(),
                "group-name" => group.name.clone(),
                "vpc-id" => group.vpc.clone(),
                "description" => group.name.clone(),
                _ => return None,
            })
        })? {
            fitting.push((id, group));
        }
    }
    let account = realm.config().account.clone();
    paged(realm, ask, fitting, "securityGroupInfo", |(id, group)| {
        Xml::new()
            .leaf("ownerId", &account)
            .leaf("groupId", id)
            .leaf("securityGroupArn", realm.arn("ec2", &format!("security-group/{id}")))
            .leaf("groupName", &group.name)
            .leaf("groupDescription", &group.name)
            .leaf("vpcId", &group.vpc)
            .list(
                "ipPermissions",
                "item",
                group.ingress.iter().map(|rule| permission(rule, &account)),
            )
            .list(
                "ipPermissionsEgress",
                "item",
                group.egress.iter().map(|rule| permission(rule, &account)),
            )
            .group("tagSet", tag_set(&group.tags))
    })
}

fn describe_vpcs(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let all: Vec<(String, Vpc)> = realm.world(|world| world.vpcs.clone()).into_iter().collect();
    let kept = kept(ask, ("VpcId", "InvalidVpcID.NotFound", "vpc ID"), all)?;
    let filters = Filter::all(ask);
    let mut fitting = Vec::new();
    for (id, vpc) in kept {
        if fits(&filters, &vpc.tags, |name| {
            Some(match name {
                "vpc-id" => id.clone(),
                "cidr" => vpc.cidr.clone(),
                "state" => "available".to_owned(),
                "is-default" | "isDefault" => "false".to_owned(),
                _ => return None,
            })
        })? {
            fitting.push((id, vpc));
        }
    }
    let account = realm.config().account.clone();
    paged(realm, ask, fitting, "vpcSet", |(id, vpc)| {
        Xml::new()
            .leaf("vpcId", id)
            .leaf("ownerId", &account)
            .leaf("state", "available")
            .leaf("cidrBlock", &vpc.cidr)
            .leaf("dhcpOptionsId", "dopt-0a11ce0000000000")
            .leaf("instanceTenancy", "default")
            .leaf("isDefault", false)
            .group("tagSet", tag_set(&vpc.tags))
    })
}

/// Those that are asked for by id, if any are, all of which must be there.
fn kept<T>(
    ask: &Ask,
    (parameter, code, what): (&str, &str, &str),
    all: Vec<(String, T)>,
) -> Result<Vec<(String, T)>, AwsError> {
    let ids = ask.members(parameter);
    if let Some(id) = ids.iter().find(|id| !all.iter().any(|(known, _)| known == *id)) {
        return Err(AwsError::new(code, format!("The {what} '{id}' does not exist")));
    }
    Ok(all.into_iter().filter(|(id, _)| ids.is_empty() || ids.contains(id)).collect())
}

/// One page, unless the caller asked by id, when EC2 takes no `MaxResults`.
fn paged<T>(
    realm: &Realm,
    ask: &Ask,
    fitting: Vec<T>,
    set: &str,
    shape: impl Fn(&T) -> Xml,
) -> Result<Answer, AwsError> {
    let size = match ask.number("MaxResults") {
        Some(size @ 5..=1000) => usize::try_from(size).unwrap_or(usize::MAX),
        Some(size) => {
            let text = format!(
                "Value ( {size} ) for parameter maxResults is invalid. Expecting a value between 5 and 1000."
            );
            return Err(AwsError::new("InvalidParameterValue", text));
        }
        None => usize::MAX,
    };
    let (found, next) = page(fitting, ask.text("NextToken"), size.min(realm.config().page_size))
        .map_err(|_| AwsError::new("InvalidNextToken", "The token is not valid."))?;
    Ok(Answer::Xml(
        Xml::new().list(set, "item", found.iter().map(shape)).some("nextToken", next).finish(),
    ))
}

/// One `Filter.N` with its values, which are alternatives.
struct Filter {
    name: String,
    values: Vec<String>,
}

impl Filter {
    fn all(ask: &Ask) -> Vec<Self> {
        let one = |index: usize| {
            let name = ask.text(&format!("Filter.{index}.Name"))?.to_owned();
            Some(Self { name, values: ask.members(&format!("Filter.{index}.Value")) })
        };
        (1..).map_while(one).collect()
    }
}

/// Whether something passes all filters; `field` knows its fields by the filter's name.
fn fits(
    filters: &[Filter],
    tags: &Tags,
    field: impl Fn(&str) -> Option<String>,
) -> Result<bool, AwsError> {
    fits_any(filters, tags, |name| field(name).map(|value| vec![value]))
}

/// The same of fields with many values, one of which must fit.
fn fits_any(
    filters: &[Filter],
    tags: &Tags,
    field: impl Fn(&str) -> Option<Vec<String>>,
) -> Result<bool, AwsError> {
    for filter in filters {
        let any = |text: &str| filter.values.iter().any(|pattern| matches(pattern, text));
        let passes = if let Some(key) = filter.name.strip_prefix("tag:") {
            tags.get(key).is_some_and(|value| any(value))
        } else if filter.name == "tag-key" {
            tags.keys().any(|key| any(key))
        } else {
            match field(&filter.name) {
                Some(values) => values.iter().any(|value| any(value)),
                None => {
                    let text = format!("The filter '{}' is invalid", filter.name);
                    return Err(AwsError::new("InvalidParameterValue", text));
                }
            }
        };
        if !passes {
            return Ok(false);
        }
    }
    Ok(true)
}

/// EC2's wildcards: `*` any text, `?` any one character, `\` takes the next as it is. Letters' case counts.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    matches_from(&pattern, &text)
}

fn matches_from(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=text.len()).any(|skip| matches_from(rest, &text[skip..])),
        (['?', rest @ ..], [_, text @ ..]) => matches_from(rest, text),
        (['\\', literal, rest @ ..], [first, text @ ..]) => {
            literal == first && matches_from(rest, text)
        }
        ([literal, rest @ ..], [first, text @ ..]) => literal == first && matches_from(rest, text),
        ([], _) | (_, []) => false,
    }
}

fn tag_set(tags: &Tags) -> Xml {
    tags.iter().fold(Xml::new(), |set, (key, value)| {
        set.group("item", Xml::new().leaf("key", key).leaf("value", value))
    })
}

fn permission(rule: &Rule, account: &str) -> Xml {
    let six = |cidr: &&String| cidr.contains(':');
    Xml::new()
        .leaf("ipProtocol", &rule.protocol)
        .some("fromPort", rule.ports.map(|ports| ports.0))
        .some("toPort", rule.ports.map(|ports| ports.1))
        .list(
            "groups",
            "item",
            rule.groups.iter().map(|id| Xml::new().leaf("userId", account).leaf("groupId", id)),
        )
        .list(
            "ipRanges",
            "item",
            rule.cidrs.iter().filter(|cidr| !six(cidr)).map(|cidr| Xml::new().leaf("cidrIp", cidr)),
        )
        .list(
            "ipv6Ranges",
            "item",
            rule.cidrs.iter().filter(six).map(|cidr| Xml::new().leaf("cidrIpv6", cidr)),
        )
        .list(
            "prefixListIds",
            "item",
            rule.prefix_lists.iter().map(|id| Xml::new().leaf("prefixListId", id)),
        )
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards_match_as_ec2_matches_them() {
        assert!(matches("neuraKnot-prod-private-*", "neuraKnot-prod-private-1a"));
        assert!(matches("*", ""));
        assert!(matches("neuraKnot-????-*-1?", "neuraKnot-prod-private-1c"));
        assert!(matches("a\\*b", "a*b"));
        assert!(!matches("a\\*b", "axb"));
        assert!(!matches("neuraKnot-prod", "neuraKnot-prod-private-1a"), "nor a beginning");
        assert!(!matches("neuraknot-*", "neuraKnot-prod"), "letters' case counts");
        assert!(!matches("private", "neuraKnot-prod-private-1a"), "a pattern is no substring");
    }
}
