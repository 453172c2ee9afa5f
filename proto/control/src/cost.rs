use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What bastions cost in a span of time.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cost {
    /// The version of this shape.
    pub schema_version: u32,
    /// From when; a bastion that ran before then counts from then on.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub since: Timestamp,
    /// Until when.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub until: Timestamp,
    /// What a row stands for.
    pub by: GroupBy,
    /// The rows, in the order of their names.
    #[serde(default)]
    pub rows: Vec<CostRow>,
    /// All of them together.
    pub total: CostSum,
    /// The prices that were used.
    #[serde(default)]
    pub prices: Vec<Price>,
}

/// What each row of a report stands for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// A target.
    #[default]
    Target,
    /// A day, as this machine's calendar counts them.
    Day,
    /// Anything that a newer daemon knows and this program does not.
    #[serde(other)]
    Unknown,
}

impl GroupBy {
    /// The word for it, as it stands in JSON and in a call's query.
    pub fn word(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Day => "day",
            Self::Unknown => "unknown",
        }
    }
}

/// What one target, or one day, has cost.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CostRow {
    /// The target's name, or the day: `2026-01-02`.
    pub name: String,
    /// What it has cost.
    #[serde(flatten)]
    pub sum: CostSum,
}

/// Seconds of bastions, and what they cost.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CostSum {
    /// How many bastions.
    #[serde(default)]
    pub bastions: u64,
    /// How many of them run at this moment.
    #[serde(default)]
    pub running: u64,
    /// For how long they are billed: from the pull of the image, each for a minute at least.
    #[serde(default)]
    pub seconds: f64,
    /// What that costs; where no price is known for some of it, the rest.
    #[serde(default)]
    pub usd: f64,
    /// How many seconds may be too many, because AWS no longer tells when the task ended.
    #[serde(default)]
    pub estimated_seconds: f64,
    /// How many seconds stand in no price, because none is known for their region.
    #[serde(default)]
    pub unpriced_seconds: f64,
}

/// The price of a bastion's hour.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Price {
    /// The region.
    pub region: String,
    /// The processor: `x86_64` or `arm64`.
    pub architecture: String,
    /// Its size: vCPUs.
    pub vcpu: f64,
    /// Its size: GB of memory.
    pub memory_gb: f64,
    /// US dollars an hour; none where no price is known.
    #[serde(default)]
    pub usd_per_hour: Option<f64>,
    /// The day of the price list; none where the config names the price.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Day>"))]
    pub dated: Option<Date>,
}
