"""Where the things are put together, for one target."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from miniuv.archive.intact import DamagedWheelError
from miniuv.backend.builder import Builder
from miniuv.cache.lead import Lead
from miniuv.errors import CacheError
from miniuv.git.repositories import GitRepositories
from miniuv.index.client import HttpClient
from miniuv.index.offering import REQUEST, offering
from miniuv.index.package_index import PackageIndex
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter
from miniuv.models.outcome import Outcome
from miniuv.models.plan import Plan
from miniuv.models.request import InstallOptions
from miniuv.models.resolution import Resolution
from miniuv.models.url import Url
from miniuv.models.wheel import PreparedWheel, UnpackedWheel
from miniuv.plan import make_plan
from miniuv.prepare.wheels import prepare
from miniuv.project.requirement_file import RequirementFile
from miniuv.resolve.finder import Finder
from miniuv.resolve.gather import Asked, Inputs, ask, ask_for_build
from miniuv.resolve.memo import Footing, Memo, Question
from miniuv.session import Session
from miniuv.settings import Settings
from miniuv.sources.archive import Archives
from miniuv.sources.built import BuiltWheels
from miniuv.sources.catalog import Catalog
from miniuv.sources.directory import Directories
from miniuv.sources.git import GitSources
from miniuv.sources.once import Once
from miniuv.sources.reuse import Reuse, Wish
from miniuv.sources.wheels import Wheels, unpacking
from miniuv.values import replace
from miniuv.workers import Workers

_ATTEMPTS = 3


class Workshop:
    """Sources, index and builds for one target, and the knot that ties resolving to building.

    Building needs an environment, which needs resolving: ``provide`` is what ``backend`` asks through its
    ``Provisioner``.
    """

    def __init__(
        self,
        session: Session,
        interpreter: Interpreter,
        options: InstallOptions,
        *,
        settings: Settings,
        http: HttpClient,
    ) -> None:
        self._session = session
        self._interpreter = interpreter
        self.settings = settings
        """With what requirement files say of indexes."""
        store, jobs, reporter = session.store, session.jobs, session.reporter
        self.workers = Workers(partial(_work, interpreter))
        index = PackageIndex(
            settings=settings, client=http, store=store, jobs=jobs, reporter=reporter, workers=self.workers
        )
        wheels = self._wheels = Wheels(
            store=store, jobs=jobs, reporter=reporter, workers=self.workers, allowed=settings.allowed_wheel_rules
        )
        builder = self.builder = Builder(
            store=store,
            jobs=jobs,
            runner=session.runner,
            provisioner=self,
            interpreter=interpreter,
            reporter=reporter,
            environ=session.environ,
        )
        self.built = BuiltWheels(
            store=store, jobs=jobs, builder=builder, wheels=wheels, interpreter=interpreter, environ=session.environ
        )
        reuse = Reuse(
            store=store,
            wheels=wheels,
            builder=builder,
            interpreter=interpreter,
            environ=session.environ,
            reporter=reporter,
            wish=_wish(options, refresh=session.settings.refresh),  # not for -U: what has not changed stays what it is
        )
        repositories = GitRepositories(
            store=store,
            jobs=jobs,
            runner=session.runner,
            reporter=reporter,
            environ=session.environ,
            offline=settings.offline,
            refresh=session.settings.refresh,  # not for -U: a commit stays what it is, and a branch is always asked for
            retries=settings.retries,
        )
        self.catalog = Catalog(
            archives=Archives(
                index=index,
                store=store,
                wheels=wheels,
                built=self.built,
                interpreter=interpreter,
                reporter=reporter,
            ),
            directories=Directories(store=store, jobs=jobs, builder=builder, wheels=wheels, reuse=reuse),
            git=GitSources(
                repositories=repositories,
                built=self.built,
                builds_all=not options.dry_run,
            ),
        )
        self._finder = Finder(
            index=index, interpreter=interpreter, no_build=options.no_build, prereleases=options.prereleases
        )
        self._build_finder = Finder(index=index, interpreter=interpreter)
        self._memo = Memo(
            store=store,
            index=index,
            catalog=self.catalog,
            interpreter=interpreter,
            settings=settings,
            environ=session.environ,
            directory=session.directory,
            refresh=session.settings.refresh,
        )
        self._lead = Lead(locks=store.locks, reporter=reporter, lock_wait=settings.lock_wait)
        self._answered: tuple[Question, Resolution] | None = None
        self._provided = Once(self._provide, label=lambda _: "", holds=self._are_held, check_free=jobs.check_free)

    @classmethod
    @contextmanager
    def open(
        cls, session: Session, interpreter: Interpreter, options: InstallOptions, inputs: Inputs
    ) -> "Iterator[Workshop]":
        """Connections and private copies live until this is left; requirement files may bring index options."""
        settings = _with_file_indexes(session.settings, inputs.files)
        settings = replace(settings, refresh=settings.refresh or options.upgrade)
        with HttpClient(settings, environ=session.environ, reporter=session.reporter) as http:
            workshop = cls(session, interpreter, options, settings=settings, http=http)
            try:
                with workshop.builder, workshop.built, workshop.workers:
                    yield workshop
            finally:
                workshop._lead.give_back()

    def ask(self, inputs: Inputs) -> Asked:
        """Parse ``inputs`` for the target; names of paths and bare URLs are found out, which may build."""
        return ask(
            inputs,
            catalog=self.catalog,
            interpreter=self._interpreter,
            directory=self._session.directory,
            cancel=self._session.cancel,
        )

    def plan(self, asked: Asked, installed: Sequence[InstalledDistribution], options: InstallOptions) -> Outcome:
        """Resolve ``asked`` against what is installed, and say what is to be done."""
        question = Question(asked=asked, installed=installed, options=options)
        resolution = self._memo.find(question) or self._answer_of_another(question)
        if resolution is None:
            with suppress(CacheError):  # a full disk may have no lease to give, and nothing may have to be written
                self._session.store.guards()  # our lease, which the workers shall hold too, is made when it is needed
                self.workers.start()
            self._lead.show_life()
            resolution = self._resolve(asked, self._finder, installed, options, cancel=self._session.cancel)
            self._answered = question, resolution
            if self._session.reporter.warned or not self._memo.may_keep(question):
                self._lead.give_back()  # nobody can be given the answer, so nobody shall wait for it
        return Outcome(plan=make_plan(resolution, installed, options), resolution=resolution, dry_run=options.dry_run)

    def remember(self) -> None:
        """Keep the resolution for whoever asks the same, now that all of it is prepared."""
        answered, self._answered = self._answered, None
        if answered is not None and not self._session.reporter.warned:
            self._memo.keep(*answered)
        self._lead.give_back()

    def footing(self) -> Footing | None:
        """What the resolution rests on, once it is remembered."""
        return self._memo.footing()

    def questions(self) -> tuple[tuple[str, ...], ...] | None:
        """To ask whether the indexes still say what the resolution rests on; see ``Memo``."""
        return self._memo.questions()

    def prepare(
        self, plan: Plan, *, fetched: Callable[[Sequence[UnpackedWheel]], object] | None = None
    ) -> tuple[PreparedWheel, ...]:
        """Fetch, build and unpack everything that ``plan`` installs; what proves damaged in the cache is made anew.

        ``fetched`` is called with the wheels of the index while others may still be built.
        """

        def checked(wheels: Sequence[UnpackedWheel]) -> None:
            assert fetched is not None
            with suppress(DamagedWheelError):  # which the check of all wheels comes upon, too
                self._wheels.verify(wheels)
                fetched(wheels)

        early = None if fetched is None else checked
        for attempt in range(1, _ATTEMPTS + 1):
            prepared = prepare(plan, catalog=self.catalog, cancel=self._session.cancel, fetched=early)
            try:
                self._wheels.verify(one.wheel for one in prepared)
                break
            except DamagedWheelError:
                if attempt == _ATTEMPTS:
                    raise
        self.remember()
        return prepared

    def provide(self, requirements: Sequence[str], *, interpreter: Interpreter) -> tuple[UnpackedWheel, ...]:
        """See ``Provisioner``: resolved in an empty world, and never with a lock held.

        A failure ends nothing but itself: whoever asked for the build cancels the rest when he hears of it.
        """
        assert interpreter == self._interpreter, "what is built is built for the target"
        return self._provided(tuple(requirements))

    def _provide(self, requirements: tuple[str, ...]) -> tuple[UnpackedWheel, ...]:
        asked = ask_for_build(requirements, interpreter=self._interpreter, directory=self._session.directory)
        resolution = self._resolve(asked, self._build_finder, (), InstallOptions())
        plan = make_plan(resolution, (), InstallOptions())
        return tuple(each.wheel for each in prepare(plan, catalog=self.catalog))

    def _answer_of_another(self, question: Question) -> Resolution | None:
        """What another command has answered to the same ``question`` while we stood back; ``None``: resolve it.

        Where one command may not keep all cores of the machine busy, several split the builds instead.
        """
        subject = self._memo.subject(question)
        if subject is None or question.options.dry_run or self.settings.concurrent_builds < (os.cpu_count() or 1):
            return None
        with suppress(CacheError):
            self._session.store.guards()  # with a lease we are seen to be there, and told of failures
        if self._lead.take(subject, title="the same installation"):
            return None
        return self._memo.find(question)

    def _are_held(self, wheels: Sequence[UnpackedWheel]) -> bool:
        return all(self._wheels.holds(wheel) for wheel in wheels)

    def _resolve(
        self,
        asked: Asked,
        finder: Finder,
        installed: Sequence[InstalledDistribution],
        options: InstallOptions,
        *,
        cancel: Callable[[], None] | None = None,
    ) -> Resolution:
        from miniuv.resolve.resolver import resolve

        return resolve(
            asked,
            catalog=self.catalog,
            finder=finder,
            interpreter=self._interpreter,
            installed=installed,
            options=options,
            directory=self._session.directory,
            reporter=self._session.reporter,
            cancel=cancel,
        )


def _work(interpreter: Interpreter) -> Callable[[bytes], None]:
    """What the workers of a workshop do."""
    unpack, offer = unpacking(), offering(interpreter)

    def work(request: bytes) -> None:
        (offer if request.startswith(REQUEST) else unpack)(request)

    return work


def _with_file_indexes(settings: Settings, files: Sequence[RequirementFile]) -> Settings:
    """What requirement files say of indexes; as in pip, a file's ``--index-url`` replaces that of the settings."""
    for file in files:
        settings = replace(
            settings,
            configured_index_url=Url.parse(file.index_url) if file.index_url else settings.configured_index_url,
            extra_index_urls=(*settings.extra_index_urls, *map(Url.parse, file.extra_index_urls)),
            find_links=(*settings.find_links, *map(_place, file.find_links)),
            trusted_hosts=(*settings.trusted_hosts, *file.trusted_hosts),
            no_index=settings.no_index or file.no_index,
        )
    return settings


def _wish(options: InstallOptions, *, refresh: bool) -> Wish:
    given = {"--no-reuse": options.no_reuse, "--reinstall": options.reinstall, "--refresh": refresh}
    everything = next((option for option, is_given in given.items() if is_given), None)
    return Wish(everything=everything, names=options.reinstall_packages)


def _place(text: str) -> Url:
    return Url.parse(text if "://" in text else Path(text).as_uri())
