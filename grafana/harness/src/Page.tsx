/** Grafana's frame of a page, as far as plugins see it: breadcrumbs, title, actions, tabs. */
import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import type { PluginPageProps } from '@grafana/runtime';
import { Icon, Tab, TabsBar, useStyles2 } from '@grafana/ui';

export function Page({ pageNav, actions, subTitle, children }: Partial<PluginPageProps>) {
  const styles = useStyles2(getStyles);
  const text = pageNav?.text ?? 'Rules';
  return (
    <>
      <nav className={styles.top} aria-label="Breadcrumbs">
        <Icon name="grafana" /> Home › BeTrace{' '}
        {pageNav?.parentItem && <a href={pageNav.parentItem.url}>› {pageNav.parentItem.text}</a>} › {text}
      </nav>
      <main className={styles.page}>
        <div className={styles.head}>
          <h1>{text}</h1>
          <div>{actions}</div>
        </div>
        {subTitle && <div className={styles.sub}>{subTitle}</div>}
        {pageNav?.children && (
          <TabsBar>
            {pageNav.children.map(({ id, text, url, active }) => (
              <Tab key={id} label={text} href={url} active={active} />
            ))}
          </TabsBar>
        )}
        <div className={styles.content}>{children}</div>
      </main>
    </>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  top: css({
    display: 'flex',
    gap: theme.spacing(1),
    alignItems: 'center',
    height: 40,
    padding: theme.spacing(0, 2),
    background: theme.colors.background.primary,
    borderBottom: `1px solid ${theme.colors.border.weak}`,
    color: theme.colors.text.secondary,
    fontSize: theme.typography.bodySmall.fontSize,
  }),
  page: css({ padding: theme.spacing(2, 4, 4) }),
  head: css({
    display: 'flex',
    justifyContent: 'space-between',
    alignItems: 'center',
    flexWrap: 'wrap',
    gap: theme.spacing(1),
  }),
  sub: css({ color: theme.colors.text.secondary, marginBottom: theme.spacing(2) }),
  content: css({ paddingTop: theme.spacing(2) }),
});
