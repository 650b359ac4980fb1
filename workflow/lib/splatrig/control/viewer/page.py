"""The page: what people see and press, wired to sessions."""

from splatrig.control.viewer.shared_page import SharedPage
from splatrig.control.viewer.tabs import compare_tab, drag_tab, pose_tab, track_tab


class Page(SharedPage):
    """The page with its tabs: pose, drag, compare, tracks."""

    def _build(self) -> None:
        tabs = self.server.gui.add_tab_group()
        with tabs.add_tab("Pose"):
            pose_tab(self)
            self.add_sliders()
        for name, build in (("Drag", drag_tab), ("Compare", compare_tab), ("Tracks", track_tab)):
            with tabs.add_tab(name):
                build(self)
