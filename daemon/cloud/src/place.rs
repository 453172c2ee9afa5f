use std::collections::BTreeMap;

/// Where a site's tasks run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// Subnets, all of one VPC.
    pub subnets: Vec<Subnet>,
    /// Security group ids, all of that VPC.
    pub security_groups: Vec<String>,
    /// That VPC, where it had to be looked up.
    pub vpc: Option<String>,
}

/// One subnet of a place.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its availability zone, where it could be looked up.
    pub zone: Option<String>,
}

impl Place {
    /// The ids of all subnets.
    pub fn subnet_ids(&self) -> Vec<String> {
        self.subnets.iter().map(|subnet| subnet.id.clone()).collect()
    }

    /// Sets of subnets to try one after the other where there is no room: all of them first, from which the cloud
    /// chooses one; then those of each zone alone, for its choice may have fallen on a full one.
    pub fn turns(&self) -> Vec<Vec<String>> {
        let mut zones: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for subnet in &self.subnets {
            // Of a subnet without a zone nothing is known: it stands for a zone of its own.
            let zone = subnet.zone.as_deref().unwrap_or(&subnet.id);
            zones.entry(zone).or_default().push(subnet.id.clone());
        }
        let mut turns = vec![self.subnet_ids()];
        if zones.len() > 1 {
            turns.extend(zones.into_values());
        }
        turns
    }

    /// The zones of its subnets, each once.
    pub fn zones(&self) -> Vec<&str> {
        let mut zones: Vec<&str> =
            self.subnets.iter().filter_map(|subnet| subnet.zone.as_deref()).collect();
        zones.sort_unstable();
        zones.dedup();
        zones
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Subnet};

    fn place(subnets: &[(&str, Option<&str>)]) -> Place {
        let subnet = |(id, zone): &(&str, Option<&str>)| Subnet {
            id: (*id).to_owned(),
            zone: zone.map(str::to_owned),
        };
        Place { subnets: subnets.iter().map(subnet).collect(), ..Place::default() }
    }

    #[test]
    fn all_subnets_are_tried_together_and_then_each_zone_alone() {
        let place = place(&[("a", Some("1a")), ("c", Some("1c")), ("b", Some("1a"))]);
        assert_eq!(place.turns(), [vec!["a", "c", "b"], vec!["a", "b"], vec!["c"]]);
        assert_eq!(place.zones(), ["1a", "1c"]);
    }

    #[test]
    fn one_zone_is_tried_once() {
        assert_eq!(place(&[("a", Some("1a")), ("b", Some("1a"))]).turns(), [vec!["a", "b"]]);
        assert_eq!(place(&[("a", None)]).turns(), [vec!["a"]]);
    }

    #[test]
    fn subnets_of_unknown_zones_are_tried_one_by_one() {
        assert_eq!(
            place(&[("a", None), ("b", None)]).turns(),
            [vec!["a", "b"], vec!["a"], vec!["b"]]
        );
    }
}
