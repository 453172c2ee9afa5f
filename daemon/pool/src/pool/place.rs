//! Which bastion a lease gets, and what follows for its group from whatever has happened.

use super::*;

impl Pool {
    /// Finds a place for a lease: at once, later, or not at all.
    pub(super) fn place(
        &mut self,
        lease: LeaseId,
        target: &Arc<str>,
        leave: Leave,
        group: GroupId,
        now: Instant,
    ) {
        let (mood, refused) = match leave {
            Leave::Start(mood) => (mood, None),
            Leave::Join(mood, why) => (mood, Some(why)),
        };
        let claim = Claim { target: Arc::clone(target), mood };
        if let Some(ready) = self.ready_for(group, target) {
            self.give(lease, claim, ready, now);
            self.start_beside(ready, group, target, now);
        } else if let Some(starting) = self.first_for(group, target, Stand::Starting) {
            self.give(lease, claim, starting, now);
        } else if refused.is_none() && self.may_start(group, target, now) {
            let bastion = self.start(group, target, now);
            self.give(lease, claim, bastion, now);
        } else if let Some(retiring) = self.first_for(group, target, Stand::Retiring) {
            // No successor can be had.
            self.give(lease, claim, retiring, now);
        } else if let Some(why) = refused {
            self.refuse(lease, why);
        } else {
            self.queue(lease, claim, group, now);
        }
    }

    /// Draws the consequences of whatever has happened in a group.
    pub(super) fn settle(&mut self, group: GroupId, now: Instant) {
        self.move_up(group, now);
        self.serve_queue(group, now);
        self.succeed(group, now);
        if self.groups.get(&group).is_some_and(|group| group.short) && !self.is_held(group) {
            self.fill_up(group, now);
        }
        self.keep(group, now);
        self.forget(group);
    }

    /// Starts as many bastions as a person wants, where they may be started.
    pub(super) fn fill_up(&mut self, id: GroupId, now: Instant) {
        while let Some(group) = self.groups.get(&id) {
            let wanted = group.width.saturating_sub(self.live(id));
            let target = group.wider.clone().filter(|_| wanted > 0);
            let Some(target) = target.filter(|target| self.may_start(id, target, now)) else {
                break;
            };
            self.start(id, &target, now);
        }
        let short =
            self.is_held(id) && self.groups.get(&id).is_some_and(|g| g.width > self.live(id));
        if let Some(group) = self.groups.get_mut(&id) {
            group.short = short;
        }
    }

    /// Tells a bastion what happened, and its group what follows.
    pub(super) fn tell(&mut self, bastion: BastionId, input: Input, now: Instant) {
        let Some(member) = self.bastions.get(&bastion) else { return };
        let group = member.group;
        self.drive(bastion, input, now);
        if let Some(group) = group {
            self.settle(group, now);
        }
    }

    /// Tells a bastion what happened. A task that is named of one that has gone is stopped.
    pub(super) fn tell_or_bury(&mut self, bastion: BastionId, input: Input, now: Instant) {
        if self.bastions.contains_key(&bastion) {
            return self.tell(bastion, input, now);
        }
        let (Input::TaskNamed(task) | Input::TaskReady(task)) = input else { return };
        let known = self.bastions.values().any(|m| m.bastion.phase().task() == Some(&task));
        let grave = self.graves.iter().find(|(id, ..)| *id == bastion).cloned();
        if let (Some((_, target, limits)), false) = (grave, known) {
            self.abandon_from(Some(bastion), &target, task, limits, now);
        }
    }

    /// Does what a bastion wants done.
    pub(super) fn take_deeds(&mut self, bastion: BastionId, now: Instant) {
        let Some(member) = self.bastions.get_mut(&bastion) else { return };
        let deeds: VecDeque<Deed> = std::iter::from_fn(|| member.bastion.poll()).collect();
        let (gone, limits) = (member.bastion.stand() == Stand::Gone, member.bastion.limits());
        let target = Arc::clone(&member.target);
        let mut silenced = BTreeSet::new();
        for deed in deeds {
            match deed {
                Deed::Stop(task) => self.outputs.push_back(Output::StopTask { bastion, task }),
                Deed::Stray(task) => {
                    self.abandon_from(Some(bastion), &target, task, limits, now);
                }
                Deed::Overdue => self.outputs.push_back(Output::Overdue { bastion }),
                Deed::Grant(lease, task) => {
                    if let Some(place) = self.leases.get_mut(&lease) {
                        place.at = At::Granted(bastion);
                    }
                    self.outputs.push_back(Output::Grant { lease, bastion, task });
                }
                Deed::Revoke(lease, why) => {
                    let target = self.leases.get(&lease).map(|place| Arc::clone(&place.target));
                    if let Some(target) = target
                        && matches!(why, Why::Silent | Why::Reconnects)
                    {
                        silenced.insert(target);
                    }
                    self.take_back(lease, why, now);
                }
            }
        }
        for target in silenced {
            if let Some(berth) = self.targets.get_mut(&target) {
                berth.restraint.fell_silent(now);
            }
        }
        if gone {
            self.drop_member(bastion);
        }
    }

    /// Revokes a target's leases: those that wait, and those that were granted where that is asked for.
    pub(super) fn revoke_all(&mut self, target: &str, why: Why, granted: bool, now: Instant) {
        let meant = |place: &Place| {
            *place.target == *target && (granted || !matches!(place.at, At::Granted(_)))
        };
        let leases: Vec<_> =
            self.leases.iter().filter(|(_, place)| meant(place)).map(|(id, _)| *id).collect();
        for lease in leases {
            self.outputs.push_back(Output::Revoke { lease, why });
            self.end(lease, now);
        }
    }

    /// A ready bastion with a seat: not crowded, then where the target is already, then the fewest leases.
    fn ready_for(&self, group: GroupId, target: &str) -> Option<BastionId> {
        let shared = self.groups.get(&group)?.seats.is_some();
        self.with_seat(group, target, Stand::Ready)
            .min_by_key(|(id, member)| {
                let leases = member.bastion.leases();
                let here = leases.is_some_and(|leases| leases.has_target(target));
                let count = leases.map_or(0, Leases::len);
                (member.crowded, shared && !here, count, *id)
            })
            .map(|(id, _)| id)
    }

    /// The oldest bastion that stands so and has a seat.
    fn first_for(&self, group: GroupId, target: &str, stand: Stand) -> Option<BastionId> {
        self.with_seat(group, target, stand).map(|(id, _)| id).next()
    }

    fn with_seat(
        &self,
        group: GroupId,
        target: &str,
        stand: Stand,
    ) -> impl Iterator<Item = (BastionId, &Member)> {
        let group = self.groups.get(&group);
        let seats = group.and_then(|group| group.seats);
        let has_seat = move |member: &Member| {
            let Some(leases) = member.bastion.leases() else { return false };
            seats.is_none_or(|seats| leases.has_target(target) || leases.targets().len() < seats)
        };
        let members = group.into_iter().flat_map(|group| &group.members);
        members
            .filter_map(|id| Some((*id, self.bastions.get(id)?)))
            .filter(move |(_, member)| member.bastion.stand() == stand && has_seat(member))
    }

    /// Brings a lease to a bastion, and takes it a seat there.
    fn give(&mut self, lease: LeaseId, claim: Claim, bastion: BastionId, now: Instant) {
        let Some(member) = self.bastions.get_mut(&bastion) else { return };
        let group = member.group.and_then(|group| self.groups.get_mut(&group));
        let seats = group.as_ref().and_then(|group| group.seats).unwrap_or(usize::MAX);
        if let Some(group) = group {
            group.queue.remove(&lease);
        }
        if !member.seated.contains(&claim.target) {
            let used = |target: &Arc<str>| {
                member.bastion.leases().is_some_and(|leases| leases.has_target(target))
            };
            let free: Vec<_> =
                member.seated.iter().filter(|target| !used(target)).cloned().collect();
            let too_many = (member.seated.len() + 1).saturating_sub(seats);
            for target in free.into_iter().take(too_many) {
                member.seated.remove(&target);
                self.outputs.push_back(Output::Vacate { bastion, target });
            }
            member.seated.insert(Arc::clone(&claim.target));
        }
        let place = Place { target: Arc::clone(&claim.target), at: At::Waiting(bastion) };
        self.leases.insert(lease, place);
        self.drive(bastion, Input::LeaseWanted(lease, claim), now);
    }

    fn queue(&mut self, lease: LeaseId, claim: Claim, id: GroupId, now: Instant) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let limits = self.targets.get(&claim.target).map(|berth| berth.limits);
        let patience =
            limits.map(|limits| if group.undecided { limits.start } else { limits.stop });
        let place = Place { target: Arc::clone(&claim.target), at: At::Queue(id) };
        self.leases.insert(lease, place);
        // Whoever is in it already goes on waiting for as long as before.
        group.queue.entry(lease).or_insert((claim, now + patience.unwrap_or_default()));
    }

    fn refuse(&mut self, lease: LeaseId, why: Why) {
        if let Some(Place { at: At::Queue(group), .. }) = self.leases.remove(&lease)
            && let Some(group) = self.groups.get_mut(&group)
        {
            group.queue.remove(&lease);
        }
        self.outputs.push_back(Output::Revoke { lease, why });
    }

    /// A bastion lets a lease go: it is told so, unless it has not been through yet and there is another way.
    fn take_back(&mut self, lease: LeaseId, why: Why, now: Instant) {
        let Some(Place { target, at: At::Waiting(bastion) }) = self.leases.get(&lease).cloned()
        else {
            return self.refuse(lease, why);
        };
        let member = self.bastions.get(&bastion);
        let group = member.and_then(|member| member.group);
        let (Some(member), Some(group), Why::StartFailed | Why::TookTooLong | Why::TaskGone) =
            (member, group, why)
        else {
            return self.refuse(lease, why);
        };
        let claim = Claim { target: Arc::clone(&target), mood: Mood::Stirring };
        if let Some(retiring) = self.first_for(group, &target, Stand::Retiring) {
            self.give(lease, claim, retiring, now);
        } else if member.found && self.targets.get(&target).is_some_and(|b| b.group == group) {
            // It waited for what a run before us had started: no start of ours has failed.
            self.queue(lease, claim, group, now);
        } else {
            self.refuse(lease, why);
        }
    }

    /// Tells a bastion what happened, and does what it wants done.
    fn drive(&mut self, bastion: BastionId, input: Input, now: Instant) {
        let Some(member) = self.bastions.get_mut(&bastion) else { return };
        let before = member.bastion.stand();
        let asked = matches!(input, Input::CloseWanted | Input::RetireWanted);
        let targets: BTreeSet<_> = member.concerned();
        member.bastion.handle(input, now);
        let after = member.bastion.stand();
        let ready = member.ready;
        if (before, after) == (Stand::Starting, Stand::Ready) {
            member.ready = Some(now);
        }
        let failed = match (before, after) {
            (Stand::Starting, Stand::Draining { .. } | Stand::Gone) => !asked && !member.found,
            // One that dies as soon as it serves is no better than one that never does.
            (Stand::Ready | Stand::Retiring, Stand::Gone) => {
                ready.is_some_and(|ready| now.saturating_duration_since(ready) < SHORT_LIFE)
            }
            (
                Stand::Starting
                | Stand::Ready
                | Stand::Retiring
                | Stand::Draining { .. }
                | Stand::Gone,
                _,
            ) => false,
        };
        let served = matches!(before, Stand::Ready | Stand::Retiring)
            && matches!(after, Stand::Draining { .. } | Stand::Gone);
        for target in targets {
            let Some(berth) = self.targets.get_mut(&target) else { continue };
            if failed {
                berth.restraint.strike(now);
            } else if served {
                berth.restraint.served();
            }
        }
        self.take_deeds(bastion, now);
    }

    /// Starts a bastion for a target.
    fn start(&mut self, group: GroupId, target: &Arc<str>, now: Instant) -> BastionId {
        let limits = self.targets.get(target).expect("only known targets start bastions").limits;
        let bastion = Bastion::ordered(limits, now);
        let id = self.insert(Member::new(bastion, Some(group), Arc::clone(target)));
        let target = Arc::clone(target);
        self.outputs.push_back(Output::StartTask { bastion: id, target });
        id
    }

    /// One more beside a bastion that is crowded, for whoever comes next.
    fn start_beside(
        &mut self,
        bastion: BastionId,
        group: GroupId,
        target: &Arc<str>,
        now: Instant,
    ) {
        let crowded = self.bastions.get(&bastion).is_some_and(|member| member.crowded);
        let most = self.groups.get(&group).map_or(0, |group| group.most);
        if crowded && self.live(group) < most && self.may_start(group, target, now) {
            self.start(group, target, now);
        }
    }

    /// Whether a bastion may be started for a target at this moment.
    fn may_start(&self, group: GroupId, target: &str, now: Instant) -> bool {
        let berth = self.targets.get(target);
        // A bastion that retires since its target has moved to another group is followed by none in its own.
        let here = berth.filter(|berth| berth.group == group);
        !self.is_held(group) && here.is_some_and(|berth| !berth.restraint.failed(now))
    }

    /// Whether a group's starts have to wait: nobody knows yet what it has, or a task of it may not be ending.
    fn is_held(&self, group: GroupId) -> bool {
        let Some(group) = self.groups.get(&group) else { return true };
        let stands =
            group.members.iter().filter_map(|id| Some(self.bastions.get(id)?.bastion.stand()));
        group.undecided || stands.into_iter().any(|stand| stand == Stand::Draining { taken: false })
    }

    /// How many bastions take leases, now or soon.
    fn live(&self, group: GroupId) -> usize {
        let members = self.groups.get(&group).into_iter().flat_map(|group| &group.members);
        let stands = members.filter_map(|id| Some(self.bastions.get(id)?.bastion.stand()));
        stands.filter(|stand| matches!(stand, Stand::Starting | Stand::Ready)).count()
    }

    /// Lets whoever waits through a bastion that is ready.
    fn move_up(&mut self, id: GroupId, now: Instant) {
        let members: Vec<_> =
            self.groups.get(&id).into_iter().flat_map(|group| &group.members).copied().collect();
        let stand = |it: &Self, id| it.bastions.get(id).map(|member| member.bastion.stand());
        if !members.iter().any(|id| stand(self, id) == Some(Stand::Ready)) {
            return;
        }
        for starting in &members {
            if stand(self, starting) != Some(Stand::Starting) {
                continue;
            }
            let waiting: Vec<_> = self.bastions[starting]
                .bastion
                .leases()
                .into_iter()
                .flat_map(Leases::iter)
                .map(|(lease, claim)| (lease, claim.clone()))
                .collect();
            for (lease, claim) in waiting {
                if let Some(ready) = self.ready_for(id, &claim.target) {
                    self.drive(*starting, Input::LeaseEnded(lease), now);
                    self.give(lease, claim, ready, now);
                }
            }
        }
    }

    /// Lets whoever waits for a start to be possible have one.
    fn serve_queue(&mut self, id: GroupId, now: Instant) {
        let Some(group) = self.groups.get(&id) else { return };
        if group.queue.is_empty() || (self.is_held(id) && self.live(id) == 0) {
            return;
        }
        let queued: Vec<_> =
            group.queue.iter().map(|(lease, (claim, _))| (*lease, claim.clone())).collect();
        for (lease, Claim { target, mood }) in queued {
            let failed = self.targets.get(&target).is_none_or(|b| b.restraint.failed(now));
            let leave = match failed {
                true => Leave::Join(mood, Why::StartFailed),
                false => Leave::Start(mood),
            };
            self.place(lease, &target, leave, id, now);
        }
    }

    /// Starts a successor for a bastion that retires while it is used, once.
    fn succeed(&mut self, id: GroupId, now: Instant) {
        let Some(group) = self.groups.get(&id) else { return };
        let retiring = group.members.iter().copied().find(|id| {
            self.bastions.get(id).is_some_and(|m| m.is_used_and_retires() && !m.succeeded)
        });
        let Some(retiring) = retiring.filter(|_| self.live(id) == 0) else { return };
        let concerned = self.bastions[&retiring].concerned();
        let target = concerned.into_iter().find(|target| self.may_start(id, target, now));
        let Some(target) = target else { return };
        if let Some(member) = self.bastions.get_mut(&retiring) {
            member.succeeded = true;
        }
        self.start(id, &target, now);
    }

    /// Tells each bastion whether it stays though nobody uses it: as one of many that a person wants, while any of them is
    /// used, or as a successor.
    fn keep(&mut self, id: GroupId, now: Instant) {
        let Some(group) = self.groups.get(&id) else { return };
        let members = || group.members.iter().filter_map(|id| Some((*id, self.bastions.get(id)?)));
        let used = members().any(|(_, member)| member.stirring() > 0);
        let wide = if used { group.width } else { 0 };
        let succeeding = usize::from(members().any(|(_, member)| member.is_used_and_retires()));
        let mut left = wide.max(succeeding);
        let mut told = Vec::new();
        for (id, member) in members() {
            match member.bastion.stand() {
                Stand::Ready => {
                    let kept = left > 0;
                    left = left.saturating_sub(1);
                    if member.bastion.is_kept() != kept {
                        told.push((id, kept));
                    }
                }
                Stand::Starting => left = left.saturating_sub(1),
                Stand::Retiring | Stand::Draining { .. } | Stand::Gone => {}
            }
        }
        for (id, kept) in told {
            self.drive(id, Input::Keep(kept), now);
        }
    }

    /// Lets go of what a group needs no more.
    fn forget(&mut self, id: GroupId) {
        let cold = self.live(id) == 0 && !self.is_held(id);
        let Some(group) = self.groups.get_mut(&id) else { return };
        if cold && group.queue.is_empty() {
            group.width = 0;
        }
        if group.targets.is_empty() && group.members.is_empty() {
            self.groups.remove(&id);
        }
    }

    /// Lets a target's seat on a bastion go, and with it its tunnels.
    pub(super) fn vacate(&mut self, bastion: BastionId, target: &Arc<str>) {
        if let Some(member) = self.bastions.get_mut(&bastion)
            && member.seated.remove(target)
        {
            let target = Arc::clone(target);
            self.outputs.push_back(Output::Vacate { bastion, target });
        }
    }

    fn drop_member(&mut self, bastion: BastionId) {
        let Some(member) = self.bastions.remove(&bastion) else { return };
        if let Some(group) = member.group.and_then(|group| self.groups.get_mut(&group)) {
            group.members.remove(&bastion);
        }
        if self.graves.len() == MOST_GRAVES {
            self.graves.pop_front();
        }
        self.graves.push_back((bastion, member.target, member.bastion.limits()));
        self.outputs.push_back(Output::Gone { bastion });
    }
}

/// A bastion that dies within this time of being ready has failed to start, however far it came.
const SHORT_LIFE: Duration = Duration::from_secs(60);

/// How many bastions are remembered after they have gone: more than starts can be under way.
const MOST_GRAVES: usize = 256;
