"""Plugins' ``conf/`` folders in the search path of every configuration that Hydra composes."""

from importlib.resources import as_file, files

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from fl_common.plugins.installed import check_options


class PluginFolders(SearchPathPlugin):
    """Adds the folder of each installed plugin after ours.

    Raises:
        InvalidConfiguration: two plugins have the same option, or one has an option of ours.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra for each composition."""
        with as_file(files("conf")) as own:
            for plugin in check_options(own):
                search_path.append(f"plugin {plugin.name}", f"file://{plugin.conf}")


def use_plugins() -> None:
    """Let Hydra in this process find the options of installed plugins; idempotent."""
    Plugins.instance().register(PluginFolders)
