//! What a stack costs, about: prices on demand in ap-northeast-1, looked at in 2026. They differ by region and change;
//! what bastions really cost is in `bastionctl cost`.

use serde::Serialize;

use super::template::Wanted;

/// One thing that costs something.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Cost {
    /// What.
    pub(crate) what: &'static str,
    /// When it is paid for.
    pub(crate) when: &'static str,
    /// US dollars an hour.
    pub(crate) usd_per_hour: f64,
}

/// What such a stack costs.
pub(crate) fn of(wanted: Wanted) -> Vec<Cost> {
    let mut costs = vec![BASTION];
    costs.extend((wanted.sample && !wanted.endpoints).then_some(NAT));
    costs.extend(wanted.endpoints.then_some(ENDPOINTS));
    costs.extend(wanted.sample.then_some(DATABASE));
    costs
}

/// Whether anybody uses it or not.
const STANDING: &str = "while the stack stands";

/// Where these prices hold.
pub(crate) const REGION: &str = "ap-northeast-1";

/// 0.25 vCPU and 0.5 GB.
const BASTION: Cost = Cost { what: "a bastion", when: "while one runs", usd_per_hour: 0.0154 };
/// Traffic comes on top.
const NAT: Cost = Cost { what: "the NAT gateway", when: STANDING, usd_per_hour: 0.062 };
/// Four of them, in two zones each.
const ENDPOINTS: Cost =
    Cost { what: "the endpoints", when: STANDING, usd_per_hour: 4.0 * 2.0 * 0.014 };
/// db.t4g.micro; its 20 GB and its secret are some three dollars a month more.
const DATABASE: Cost = Cost { what: "the database", when: STANDING, usd_per_hour: 0.025 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_for_a_vpc_that_is_there_costs_nothing_while_no_bastion_runs() {
        let always = |sample, endpoints| {
            let costs = of(Wanted { sample, endpoints });
            let always = costs.into_iter().filter(|cost| cost.when == STANDING);
            always.map(|cost| cost.what).collect::<Vec<_>>()
        };
        assert_eq!(always(false, false), [""; 0]);
        assert_eq!(always(false, true), ["the endpoints"]);
        assert_eq!(always(true, false), ["the NAT gateway", "the database"]);
        assert_eq!(always(true, true), ["the endpoints", "the database"]);
    }
}
