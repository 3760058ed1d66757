import React, { useState } from 'react';
import type { AppPluginMeta, PluginConfigPageProps } from '@grafana/data';
import { DataSourcePicker } from '@grafana/runtime';
import { Alert, Button, Field, FieldSet, Input, SecretInput, Stack } from '@grafana/ui';
import { checkApi, saveSettings } from '../api/client';
import { problemOf } from '../api/problem';
import type { Settings } from '../settings';

const WIDTH = 60;

interface Told {
  severity: 'success' | 'error';
  title: string;
  text?: string;
}

export default function ConfigPage({ plugin }: PluginConfigPageProps<AppPluginMeta<Settings>>) {
  const { enabled, pinned, jsonData, secureJsonFields } = plugin.meta;
  const [settings, setSettings] = useState<Settings>(jsonData ?? {});
  const [token, setToken] = useState('');
  const [hasToken, setHasToken] = useState(Boolean(secureJsonFields?.apiToken));
  const [told, setTold] = useState<Told>();
  const isChanged = JSON.stringify(settings) !== JSON.stringify(jsonData ?? {}) || token !== '';
  const isAddress = /^https?:\/\/[^/]/.test(settings.apiUrl ?? '');

  const save = async (event: React.FormEvent) => {
    event.preventDefault();
    const saved = { ...settings, apiUrl: settings.apiUrl?.replace(/\/+$/, '') };
    try {
      await saveSettings(enabled ? pinned : true, saved, hasToken ? undefined : token);
      window.location.reload(); // Grafana reads the settings of an app only when a page is loaded
    } catch (error) {
      setTold({ severity: 'error', title: 'The settings were not saved', text: problemOf(error).message });
    }
  };
  const check = async () => {
    try {
      await checkApi();
      setTold({ severity: 'success', title: hasToken ? 'BeTrace answers, and takes the token' : 'BeTrace answers' });
    } catch (error) {
      const { status, message } = problemOf(error);
      const title = status === 401 ? 'BeTrace refuses the token' : 'BeTrace is not ready';
      setTold({ severity: 'error', title, text: message });
    }
  };

  return (
    <form onSubmit={save}>
      <FieldSet label="Connection">
        <Field
          label="API address"
          description="As Grafana’s server reaches it"
          invalid={Boolean(settings.apiUrl) && !isAddress}
          error="It begins with http:// or https://"
        >
          <Input
            id="api-url"
            width={WIDTH}
            placeholder="http://betrace-api:12011"
            value={settings.apiUrl ?? ''}
            onChange={(e) => setSettings({ ...settings, apiUrl: e.currentTarget.value.trim() })}
          />
        </Field>
        <Field
          label="Token"
          description="Of an editor, if rules shall be written here. Not needed if the API has no tokens"
        >
          <SecretInput
            id="api-token"
            width={WIDTH}
            isConfigured={hasToken}
            value={token}
            onChange={(e) => setToken(e.currentTarget.value.trim())}
            onReset={() => setHasToken(false)}
          />
        </Field>
        <Field label="Tempo" description="Where traces to test on are taken from; may be left out">
          <DataSourcePicker
            inputId="tempo"
            type="tempo"
            noDefault
            width={WIDTH}
            current={settings.tempoUid ?? null}
            onChange={({ uid }) => setSettings({ ...settings, tempoUid: uid })}
            onClear={() => setSettings({ ...settings, tempoUid: undefined })}
          />
        </Field>
        <Stack gap={1}>
          <Button type="submit" disabled={!isAddress}>
            Save
          </Button>
          <Button type="button" variant="secondary" disabled={isChanged || !isAddress} onClick={check}>
            Test
          </Button>
        </Stack>
      </FieldSet>
      {told && (
        <Alert severity={told.severity} title={told.title}>
          {told.text}
        </Alert>
      )}
    </form>
  );
}
